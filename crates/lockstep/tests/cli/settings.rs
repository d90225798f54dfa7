//! The configuration as operators meet it: errors with their place, and what takes effect with
//! where it comes from.

use crate::{Desk, Run};

#[test]
fn a_configuration_error_names_file_line_and_key() {
    let desk = Desk::new();
    for (text, words) in [
        ("[detector.engine]\nalhpa = 0.1\n", "c.toml:2: unknown key detector.engine.alhpa, did you mean \"alpha\"?"),
        (
            "[detector.engine]\nalpha = \"high\"\n",
            "c.toml:2: detector.engine.alpha is \"high\": set 1e-12 to 0.5 (probability)",
        ),
        ("[detector.engine]\nalpha = 7\n", "c.toml:2: detector.engine.alpha is 7: set 1e-12 to 0.5 (probability)"),
        (
            "[detector.engine]\nretention_days = 3.0\n",
            "c.toml: configuration: detector.engine: retention_days is 3, which is less than repeat_days (7 days)",
        ),
        (
            "[sharing.webhooks]\ntimeout_s = 0\n",
            "c.toml:2: sharing.webhooks.timeout_s is 0: set 1 to 15 (whole seconds)",
        ),
        ("[admin]\nlisten = \"here\"\n", "c.toml:2: admin.listen: expected an IP address and a port"),
        ("[admin\n", "c.toml:1: unclosed table"),
    ] {
        desk.write("c.toml", text);
        desk.run(&["config", "check", "--config", "c.toml"]).ends(1).prints_nothing().says(&[words]);
    }
    desk.run(&["detect", "x", "--config", "no.toml"]).ends(1).says(&["cannot read the configuration no.toml"]);
    desk.run(&["config", "check"]).ends(0).prints_nothing().says(&["in order"]);
    // The files that it names are checked with it.
    desk.write("c.toml", "[sharing]\nrecipients = \"r.toml\"\n");
    let check = |words: &str| {
        desk.run(&["config", "check", "--config", "c.toml"]).ends(1).prints_nothing().says(&[words]);
    };
    check("r.toml");
    desk.write("r.toml", "[[recipients]]\nname = \"a\"\nclas = \"congress\"\n");
    check("r.toml:3: unknown key recipients.0.clas, did you mean \"class\"?");
    desk.write("r.toml", "[classes.secret_service]\nconcerned = \"never\"\n");
    check("r.toml: classes.secret_service.concerned must be \"always\"");
    desk.write("c.toml", "[detector]\nlexicon = \"nowhere\"\n");
    check("cannot read the lexicon nowhere");
    let mut show = desk.command(&["config", "show"]);
    let run = Run::of(show.env("LOCKSTEP__DETECTOR__ENGINE__ALPHA", "0.01").output().unwrap()).ends(0);
    assert!(run.out.contains("alpha = 0.01"), "{}", run.out);
    let mut check = desk.command(&["config", "check"]);
    let run = Run::of(check.env("LOCKSTEP__DETECTOR__ENGINE__ALHPA", "0.01").output().unwrap()).ends(1);
    run.says(&["environment variable LOCKSTEP__DETECTOR__ENGINE__ALHPA", "did you mean \"alpha\"?"]);
    desk.run(&["partners", "key", "nobody"])
        .ends(1)
        .prints_nothing()
        .says(&["no partner \"nobody\"", "sharing.recipients"]);
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let desk = Desk::new();
    desk.write(
        "c.toml",
        "[sharing]\ndatabase = \"postgres://lockstep:hush@db/sharing\"\n[log.properties]\n\"sasl.password\" = \"hush\"\n\
         \"sasl.username\" = \"lockstep\"\n",
    );
    let mut show = desk.command(&["config", "show", "--config", "c.toml"]);
    let shown =
        Run::of(show.env("LOCKSTEP__SHARING__LOGIN__PROVIDER__CLIENT_SECRET", "hush").output().unwrap()).ends(0).out;
    assert!(!shown.contains("hush"), "{shown}");
    for part in ["postgres://lockstep:***@db/sharing", "\"sasl.password\" = \"***\"", "client_secret = \"***\""] {
        assert!(shown.replace("sasl.password =", "\"sasl.password\" =").contains(part), "{part}: {shown}");
    }
    desk.write("open.toml", "[sharing]\nlisten = \"0.0.0.0:8080\"\n");
    desk.run(&["config", "check", "--config", "open.toml"]).ends(1).says(&["sharing.tls", "behind_proxy"]);
    desk.write("tls.toml", "[sharing.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    desk.run(&["config", "check", "--config", "tls.toml"]).ends(1).says(&["sharing.tls.certificate", "cert.pem"]);
}

#[test]
fn what_is_shown_says_where_each_value_comes_from_and_is_a_configuration_again() {
    let desk = Desk::new();
    desk.write("c.toml", "[detector.engine]\nsafety = 2.5\n[intake]\nlisten = \"127.0.0.1:9000\"\n");
    let show = |more: &[&str]| {
        let mut show = desk.command(&[&["config", "show", "--config", "c.toml"], more].concat());
        Run::of(show.env("LOCKSTEP__DETECTOR__ENGINE__ALPHA", "0.01").output().unwrap()).ends(0).out
    };
    let shown = show(&[]);
    for line in [
        "safety = 2.5  # c.toml:2",
        "listen = \"127.0.0.1:9000\"  # c.toml:4",
        "alpha = 0.01  # environment variable LOCKSTEP__DETECTOR__ENGINE__ALPHA",
        "tick_min = 15  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let explained = show(&["--explain"]);
    let words = "# Safety factor on the rate at which others repeat a group.\n# Values: 1 to 10 (factor), usually 1 to 3.\nsafety = 2.5  # c.toml:2\n";
    assert!(explained.contains(words), "{explained}");
    desk.write("again.toml", explained);
    let again = desk.run(&["config", "show", "--config", "again.toml"]).ends(0).out;
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(values(&again), values(&shown));
}

#[test]
fn what_costs_power_is_warned_of_and_not_refused() {
    let desk = Desk::new();
    desk.write("c.toml", "[detector.engine]\nsafety = 8.0\n");
    desk.run(&["config", "check", "--config", "c.toml"]).ends(0).says(&[
        "warning: c.toml:2: detector.engine.safety is 8",
        "outside of 1 to 3 (factor)",
        "are not found",
    ]);
}
