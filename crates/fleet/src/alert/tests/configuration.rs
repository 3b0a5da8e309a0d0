//! Receivers as they are configured.

use super::*;

#[test]
fn a_day_has_its_times() {
    let nine = TimeOfDay::parse("09:00").expect("a time");
    for (at, next) in [
        (0, 32_400),
        (32_399, 32_400),
        (32_400, 118_800),
        (-1, 32_400),
    ] {
        assert_eq!(nine.next(at), next, "{at}");
    }
    for wrong in ["9:00", "24:00", "09:60", "0900", "", "09:0x", "+9:00"] {
        assert_eq!(TimeOfDay::parse(wrong), None, "{wrong}");
    }
}

fn check_error(yaml: &str, expected: &str) {
    let error = FleetConfig::parse(yaml, "g.yaml", Path::new("")).expect_err(yaml);
    let advice = error.advice.clone().unwrap_or_default();
    let text = format!("{error} {advice}");
    assert!(text.contains(expected), "{yaml}: {text}");
}

#[test]
fn mistakes_in_the_configuration_name_their_place() {
    for (yaml, expected) in [
        (
            "alerting:\n  webhoks: []",
            "g.yaml:2:3: unknown key \"webhoks\" did you mean \"webhooks\"?",
        ),
        (
            "alerting:\n  webhooks:\n  - {url: 'ftp://a'}",
            "g.yaml:3:11: url must be an http or https URL",
        ),
        (
            "alerting:\n  webhooks:\n  - {}",
            "g.yaml:3:5: it needs url or url_file",
        ),
        (
            "alerting:\n  webhooks:\n  - {url: 'http://a', url_file: b}",
            "there are both url and url_file",
        ),
        (
            "alerting:\n  slack:\n  - {api_url_file: a, digest: noon}",
            "g.yaml:3:31: digest must be a time of the day",
        ),
        (
            "alerting:\n  slack:\n  - {api_url_file: a, verdict: bad}",
            "verdict must be suspect, growing or leak",
        ),
        (
            "alerting:\n  pagerduty:\n  - {}",
            "PagerDuty needs routing_key_file",
        ),
        (
            "alerting:\n  pagerduty:\n  - {routing_key_file: a, digest: '09:00'}",
            "unknown key \"digest\"",
        ),
        (
            "alerting:\n  github:\n  - {repository: shop}",
            "g.yaml:3:18: repository must be OWNER/NAME",
        ),
        (
            "alerting:\n  github:\n  - {repository: '../..', token: t, api_url: x}",
            "api_url must be an http or https URL",
        ),
        (
            "alerting:\n  alertmanagers:\n  - {}",
            "an Alertmanager needs static_configs with targets",
        ),
        (
            "alerting:\n  alertmanagers:\n  - {api_version: v1}",
            "api_version must be v2",
        ),
        (
            "alerting:\n  alertmanagers:\n  - static_configs: [{targets: ['a/b']}]",
            "\"a/b\" is no host and port",
        ),
        (
            "alerting:\n  webhooks:\n  - {url: 'http://a'}\n  - {url: 'http://a'}",
            "g.yaml:4:5: there are two receivers webhook-",
        ),
        (
            "alerting: {clean_sweeps: 0}",
            "clean_sweeps must be at least 1",
        ),
        ("owners: {codeowner: a}", "did you mean \"codeowners\"?"),
    ] {
        check_error(yaml, expected);
    }
}
