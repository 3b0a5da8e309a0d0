//! The fleet that is simulated: services with their instances, deploys, load, and what leaks in them.

/// Seconds of an hour and of a day.
pub(super) const HOUR: f64 = 3600.0;
pub(super) const DAY: f64 = 24.0 * HOUR;

/// A service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) owner: &'static str,
    pub(super) instances: u32,
    /// Versions with the day on which each is deployed; the first was there before.
    pub(super) versions: &'static [(&'static str, f64)],
    /// The part of the load that comes and goes within a day.
    pub(super) daily: f64,
    /// Workers of a pool, many and for good reason.
    pub(super) pool: u64,
    pub(super) leak: Option<Leak>,
    /// What is written at Kubernetes as the limit of memory.
    pub(super) memory_limit: &'static str,
}

/// What leaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leak {
    /// The capture that has it.
    pub(super) capture: &'static str,
    /// The functions at which its goroutines are blocked, as in the capture.
    pub(super) functions: &'static [&'static str],
    /// Goroutines an instance and hour.
    pub(super) per_hour: f64,
    /// From this of the versions on.
    pub(super) since: usize,
    /// The program is of a Go that reports leaks itself.
    pub(super) reported: bool,
}

const fn leak(
    capture: &'static str,
    functions: &'static [&'static str],
    per_hour: f64,
) -> Option<Leak> {
    Some(Leak {
        capture,
        functions,
        per_hour,
        since: 0,
        reported: false,
    })
}

const fn service(
    name: &'static str,
    owner: &'static str,
    instances: u32,
    leak: Option<Leak>,
) -> Service {
    Service {
        name,
        owner,
        instances,
        versions: &[("1.8.2", 0.0)],
        daily: 0.4,
        pool: 0,
        leak,
        memory_limit: "",
    }
}

/// All of them. Patterns that no fleet can tell from healthy goroutines by their numbers (endless loops and sleeps) are left
/// out: a site must wait for another goroutine to be judged.
pub(super) const SERVICES: [Service; 20] = [
    Service {
        versions: &[("4.2.7", 0.0), ("4.3.0", 4.6)],
        memory_limit: "512Mi",
        leak: Some(Leak {
            capture: "conditional-premature-return",
            functions: &["main.(*profileHandler).ServeHTTP.func1"],
            per_hour: 460.0,
            since: 1,
            reported: false,
        }),
        ..service("checkout", "team-payments", 20, None)
    },
    Service {
        versions: &[("2.31", 0.0), ("2.32", 3.4)],
        memory_limit: "256Mi",
        ..service(
            "catalogue",
            "team-shop",
            16,
            leak("n-cast", &["main.search"], 70.0),
        )
    },
    Service {
        memory_limit: "256Mi",
        ..service(
            "pricing",
            "team-shop",
            14,
            leak(
                "timeout-with-context",
                &["main.(*backend).fetch.func1"],
                95.0,
            ),
        )
    },
    service(
        "feeds",
        "team-content",
        10,
        leak("nil-channel-receive", &["main.(*feed).watch"], 45.0),
    ),
    service(
        "notifications",
        "team-content",
        12,
        leak("range-never-closed", &["main.(*pool[...]).work"], 60.0),
    ),
    service(
        "ledger",
        "team-payments",
        8,
        leak("mutex-never-unlocked", &["main.(*account).withdraw"], 40.0),
    ),
    Service {
        daily: 0.6,
        memory_limit: "1Gi",
        ..service(
            "gateway",
            "team-edge",
            16,
            leak(
                "http-body-not-closed",
                &[
                    "net/http.(*persistConn).readLoop",
                    "net/http.(*persistConn).writeLoop",
                ],
                120.0,
            ),
        )
    },
    service(
        "audit",
        "team-platform",
        6,
        leak("send-no-receiver", &["main.(*auditLog).append"], 75.0),
    ),
    service(
        "sessions",
        "team-edge",
        10,
        leak("receive-no-sender", &["main.(*session).open.func1"], 50.0),
    ),
    service(
        "subscriptions",
        "team-content",
        8,
        leak("for-select-dead-channel", &["main.(*subscriber).run"], 65.0),
    ),
    service(
        "reports",
        "team-data",
        6,
        leak("waitgroup-mismatch", &["main.run.func1"], 35.0),
    ),
    service(
        "jobs",
        "team-data",
        8,
        leak("cond-never-signalled", &["main.(*queue).take"], 42.0),
    ),
    service(
        "plugins",
        "team-platform",
        4,
        leak("select-no-cases", &["main.(*plugin).run"], 30.0),
    ),
    Service {
        versions: &[("0.19.0", 0.0), ("0.20.0", 2.2)],
        leak: Some(Leak {
            capture: "mixed-service",
            functions: &["main.(*shop).price.func1", "main.(*bus[...]).follow"],
            per_hour: 24.0,
            since: 1,
            reported: true,
        }),
        ..service("search", "team-shop", 12, None)
    },
    // These are healthy, each in a way that looks like a leak to those who only count.
    Service {
        daily: 0.9,
        versions: &[
            ("7.1", 0.0),
            ("7.2", 1.3),
            ("7.3", 2.4),
            ("7.4", 4.1),
            ("7.5", 5.2),
        ],
        ..service("frontend", "team-edge", 20, None)
    },
    Service {
        pool: 4_000,
        ..service("media", "team-content", 10, None)
    },
    Service {
        daily: 0.95,
        pool: 2_400,
        ..service("mail", "team-platform", 8, None)
    },
    service("auth", "team-platform", 12, None),
    Service {
        leak: leak(
            "ticker-loop-no-exit",
            &["main.(*connection).heartbeat"],
            80.0,
        ),
        ..service("presence", "team-edge", 8, None)
    },
    service("cron", "team-data", 4, None),
];

impl Service {
    /// The number of the version that runs on an instance at a time, seconds from the beginning: instances are replaced one
    /// after the other, within an hour.
    pub(super) fn version(&self, instance: u32, time: f64) -> usize {
        let turn = f64::from(instance) / f64::from(self.instances.max(1)) * HOUR;
        let deployed = |(_, day): &(&str, f64)| *day == 0.0 || time >= day * DAY + turn;
        self.versions.iter().rposition(deployed).unwrap_or(0)
    }

    /// Seconds since the process of an instance started.
    pub(super) fn age(&self, instance: u32, time: f64) -> f64 {
        let version = self.version(instance, time);
        let turn = f64::from(instance) / f64::from(self.instances.max(1)) * HOUR;
        let day = self.versions.get(version).map_or(0.0, |(_, day)| *day);
        let start = if day == 0.0 { 0.0 } else { day * DAY + turn };
        time - start
    }

    /// Load at a time, 1 on average: it is lowest at four in the night.
    pub(super) fn load(&self, instance: u32, time: f64) -> f64 {
        let day = ((time / DAY).fract() - 4.0 / 24.0) * std::f64::consts::TAU;
        // Instances differ a little, and from hour to hour; the same each time.
        let ripple = (f64::from(instance) * 1.7 + (time / HOUR).floor() * 2.3).sin() * 0.05;
        (1.0 - self.daily * day.cos() + ripple).max(0.05)
    }

    /// Goroutines that have leaked on an instance.
    pub(super) fn leaked(&self, instance: u32, time: f64) -> u64 {
        let Some(leak) = self.leak else {
            return 0;
        };
        if self.version(instance, time) < leak.since {
            return 0;
        }
        let share = 0.8 + 0.4 * (f64::from(instance) * 0.618).fract();
        (self.age(instance, time) / HOUR * leak.per_hour * share) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Service {
        let found = SERVICES.into_iter().find(|it| it.name == name);
        found.expect("it is there")
    }

    #[test]
    fn a_deploy_brings_its_leak_and_ends_that_of_before() {
        let checkout = named("checkout");
        assert_eq!(checkout.leaked(0, 4.5 * DAY), 0);
        assert!(checkout.leaked(0, 6.5 * DAY) > 10_000);
        let catalogue = named("catalogue");
        let (before, after) = (3.3 * DAY, 3.6 * DAY);
        assert!(catalogue.leaked(0, before) > catalogue.leaked(0, after));
        assert!(catalogue.leaked(0, after) > 0);
    }

    #[test]
    fn instances_are_deployed_one_after_the_other() {
        let frontend = named("frontend");
        let time = 1.3 * DAY + HOUR / 2.0;
        let versions: Vec<usize> = (0..20).map(|it| frontend.version(it, time)).collect();
        assert_eq!(versions.iter().filter(|it| **it == 1).count(), 11);
    }
}
