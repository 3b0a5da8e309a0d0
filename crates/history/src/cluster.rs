//! Who answers questions: this process, or a Ballista cluster. Both take the same SQL over the same tables.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use url::Url;

use crate::engine;
use crate::error::{Result, StoreError};
use crate::manifest::Manifest;
use crate::place::Place;

/// Who answers questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// This process.
    #[default]
    Embedded,
    /// A Ballista cluster, by way of its scheduler.
    #[cfg(feature = "cluster")]
    Cluster(Scheduler),
}

impl Engine {
    /// Reads `ballista://HOST:PORT`.
    ///
    /// # Errors
    /// What is wrong with it, for people; also where this program is built without the feature `cluster`.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let address = address(text)?;
        #[cfg(feature = "cluster")]
        return Ok(Self::Cluster(Scheduler { address }));
        #[cfg(not(feature = "cluster"))]
        Err(format!(
            "this gorphan cannot ask the scheduler at {address}: it is built without the cargo feature cluster (cargo build --package gorphan --features cluster)"
        ))
    }

    /// Holds that it can read a place: a cluster's nodes have its address alone.
    pub(crate) fn check(&self, place: &Place) -> Result<()> {
        let readable = match self {
            Self::Embedded => true,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => matches!(place.root()?.scheme(), "file" | "s3"),
        };
        if readable {
            return Ok(());
        }
        Err(StoreError::Place {
            place: place.to_string(),
            why: "Ballista's executors read folders and s3:// alone".to_owned(),
        })
    }

    /// Holds that a question is one that it answers rightly.
    pub(crate) fn check_plan(&self, plan: &LogicalPlan) -> Result<()> {
        match (self, plan) {
            (Self::Embedded, _) => Ok(()),
            #[cfg(feature = "cluster")]
            (Self::Cluster(_), plan) => remote::check(plan),
        }
    }

    /// A session in which every kind is a table over the manifest's files that reach into `from..=to`.
    pub(crate) async fn session(
        &self,
        place: &Place,
        manifest: &Manifest,
        environment: &Arc<RuntimeEnv>,
        from: i64,
        to: i64,
    ) -> Result<SessionContext> {
        match self {
            Self::Embedded => engine::session(place, manifest, environment, from, to),
            #[cfg(feature = "cluster")]
            Self::Cluster(scheduler) => {
                let context = scheduler.session(environment).await?;
                engine::register_all(&context, place, manifest, from, to)?;
                Ok(context)
            }
        }
    }
}

/// Host and port of a scheduler. What stands in an address may be a secret, and is not shown.
fn address(text: &str) -> std::result::Result<String, String> {
    const FORM: &str = "engines are given as ballista://HOST:PORT";
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if scheme != Some("ballista") {
        return Err(match scheme {
            Some(other) => format!("{FORM}, not with {other}://"),
            None => FORM.to_owned(),
        });
    }
    let url = Url::parse(text).map_err(|error| format!("{FORM}: {error}"))?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) if plain && !host.is_empty() => Ok(format!("{host}:{port}")),
        _ => Err(format!("{FORM}, and nothing else")),
    }
}

#[cfg(feature = "cluster")]
pub use remote::Scheduler;

#[cfg(feature = "cluster")]
mod remote {
    use std::fmt;
    use std::sync::Arc;
    use std::time::Duration;

    use ballista::prelude::{SessionConfigExt, SessionContextExt};
    use datafusion::common::tree_node::TreeNodeRecursion;
    use datafusion::datasource::empty::EmptyTable;
    use datafusion::datasource::source_as_provider;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::execution::runtime_env::RuntimeEnv;
    use datafusion::logical_expr::{FetchType, Limit, LogicalPlan, SkipType};
    use datafusion::prelude::{SessionConfig, SessionContext};
    use tokio::net::TcpStream;

    use crate::engine::wrong;
    use crate::error::{Result, StoreError};

    /// For reaching the scheduler: whoever asks waits.
    const CONNECT: Duration = Duration::from_secs(10);

    /// Refuses what Ballista 55 answers wrongly or never.
    pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
        let (mut scans, mut empty, mut offset) = (0, false, false);
        let visited = plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::TableScan(scan) => {
                    scans += 1;
                    empty |= source_as_provider(&scan.source)?.is::<EmptyTable>();
                }
                LogicalPlan::Limit(limit) => offset |= overflows(limit)?,
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
        visited.map_err(wrong)?;
        if offset {
            return Err(StoreError::Query(
                "a cluster takes OFFSET only beside a LIMIT, both as numbers".to_owned(),
            ));
        }
        // A stage that joins or unites what has no files never ends.
        if empty && scans > 1 {
            return Err(StoreError::Query(
                "a cluster cannot put a view that has no rows together with others".to_owned(),
            ));
        }
        Ok(())
    }

    /// A plan that is sent has 2^63-1 in place of no limit. Rows to skip are added to that, and rows are lost where the sum
    /// does not fit.
    fn overflows(limit: &Limit) -> datafusion::error::Result<bool> {
        Ok(match (limit.get_skip_type()?, limit.get_fetch_type()?) {
            (SkipType::Literal(0), _) => false,
            (SkipType::Literal(skip), FetchType::Literal(Some(fetch))) => skip
                .checked_add(fetch)
                .is_none_or(|all| i64::try_from(all).is_err()),
            _ => true,
        })
    }

    /// Where a Ballista scheduler is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Scheduler {
        /// Host and port.
        pub(super) address: String,
    }

    impl fmt::Display for Scheduler {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "ballista://{}", self.address)
        }
    }

    impl Scheduler {
        /// A session whose queries the cluster runs.
        pub(crate) async fn session(
            &self,
            environment: &Arc<RuntimeEnv>,
        ) -> Result<SessionContext> {
            self.reach().await?;
            let state = SessionStateBuilder::new()
                .with_config(SessionConfig::new_with_ballista())
                .with_runtime_env(Arc::clone(environment))
                .with_default_features()
                .build();
            SessionContext::remote_with_state(&self.to_string(), state)
                .await
                .map_err(wrong)
        }

        /// Ballista would try for longer, and say less.
        async fn reach(&self) -> Result<()> {
            let why = match tokio::time::timeout(CONNECT, TcpStream::connect(&self.address)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no connection within {} seconds", CONNECT.as_secs()),
            };
            Err(StoreError::Scheduler {
                scheduler: self.to_string(),
                why,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = address(text).unwrap_or_else(|why| why);
        assert_eq!(shown, expected);
    }

    #[test]
    fn engines_as_they_are_given() {
        check("ballista://scheduler:50050", "scheduler:50050");
        check("ballista://127.0.0.1:50050/", "127.0.0.1:50050");
        check("ballista://[::1]:50050", "[::1]:50050");
        let form = "engines are given as ballista://HOST:PORT";
        check("scheduler:50050", form);
        check("http://a:1", &format!("{form}, not with http://"));
        check(
            "ballista://a:99999",
            &format!("{form}: invalid port number"),
        );
        for text in [
            "ballista://",
            "ballista://scheduler",
            "ballista://:50050",
            "ballista://user:secret@a:1",
            "ballista://a:1/path",
            "ballista://a:1?x",
            "ballista://a:1#x",
        ] {
            let why = address(text).expect_err(text);
            assert!(why.starts_with(form) && !why.contains("secret"), "{why}");
        }
    }

    #[cfg(not(feature = "cluster"))]
    #[test]
    fn a_program_that_knows_no_clusters_says_so() {
        let why = Engine::parse("ballista://a:1").expect_err("no clusters");
        assert!(why.contains("without the cargo feature cluster"), "{why}");
    }
}
