//! Targets from the records of a name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::{Group, SourceError};
use crate::config::{Dns, DnsRecord};
use crate::labels::LabelSet;

/// For one look-up, over all servers.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Looks names up.
#[derive(Clone)]
pub struct Resolver(TokioResolver);

impl Resolver {
    /// With the servers of the system.
    ///
    /// # Errors
    /// When the system's settings cannot be read.
    pub fn of_system() -> Result<Self, SourceError> {
        let failed = |why: String| SourceError::content("the settings for name look-ups", why);
        let builder = TokioResolver::builder_tokio().map_err(|error| failed(error.to_string()))?;
        let resolver = builder.build().map_err(|error| failed(error.to_string()))?;
        Ok(Self(resolver))
    }

    /// With one server.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn of_server(server: SocketAddr) -> Result<Self, SourceError> {
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let server = NameServerConfig::new(server.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let resolver = builder
            .build()
            .map_err(|error| SourceError::content("the name server", error))?;
        Ok(Self(resolver))
    }
}

/// One group a name.
pub(super) async fn groups(dns: &Dns, resolver: &Resolver) -> Result<Vec<Group>, SourceError> {
    let mut groups = Vec::new();
    for name in &dns.names {
        groups.push(group(dns, name, resolver).await?);
    }
    Ok(groups)
}

async fn group(dns: &Dns, name: &str, resolver: &Resolver) -> Result<Group, SourceError> {
    let failed = |why: String| SourceError::Name {
        name: name.to_owned(),
        why,
    };
    let record = match dns.record {
        DnsRecord::Srv => RecordType::SRV,
        DnsRecord::A => RecordType::A,
        DnsRecord::Aaaa => RecordType::AAAA,
        DnsRecord::Mx => RecordType::MX,
        DnsRecord::Ns => RecordType::NS,
    };
    let looked_up = tokio::time::timeout(TIMEOUT, resolver.0.lookup(name, record)).await;
    let looked_up =
        looked_up.map_err(|_| failed(format!("no answer in {} s", TIMEOUT.as_secs())))?;
    let records: Vec<RData> = match looked_up {
        Ok(lookup) => lookup
            .answers()
            .iter()
            .map(|record| record.data.clone())
            .collect(),
        // A name without records has no targets, as in Prometheus.
        Err(error) if error.is_no_records_found() => Vec::new(),
        Err(error) => return Err(failed(error.to_string())),
    };
    let mut targets: Vec<LabelSet> = records.iter().filter_map(|it| target(dns, it)).collect();
    targets.sort();
    Ok(Group {
        source: name.to_owned(),
        targets,
        labels: LabelSet::from_iter([("__meta_dns_name", name)]),
    })
}

fn target(dns: &Dns, data: &RData) -> Option<LabelSet> {
    let port = dns.port;
    let ip =
        |ip: IpAddr| LabelSet::from_iter([("__address__", SocketAddr::new(ip, port).to_string())]);
    let host = |name: &str, port: u16| format!("{}:{port}", name.trim_end_matches('.'));
    // Other records, as the aliases on the way, lead nowhere themselves.
    match (dns.record, data) {
        (DnsRecord::A, RData::A(it)) => Some(ip(IpAddr::V4(it.0))),
        (DnsRecord::Aaaa, RData::AAAA(it)) => Some(ip(IpAddr::V6(it.0))),
        (DnsRecord::Srv, RData::SRV(it)) => {
            let name = it.target.to_string();
            Some(LabelSet::from_iter([
                ("__address__", host(&name, it.port)),
                ("__meta_dns_srv_record_target", name),
                ("__meta_dns_srv_record_port", it.port.to_string()),
            ]))
        }
        (DnsRecord::Mx, RData::MX(it)) => {
            let name = it.exchange.to_string();
            Some(LabelSet::from_iter([
                ("__address__", host(&name, port)),
                ("__meta_dns_mx_record_target", name),
            ]))
        }
        (DnsRecord::Ns, RData::NS(it)) => {
            let name = it.0.to_string();
            Some(LabelSet::from_iter([
                ("__address__", host(&name, port)),
                ("__meta_dns_ns_record_target", name),
            ]))
        }
        _ => None,
    }
}
