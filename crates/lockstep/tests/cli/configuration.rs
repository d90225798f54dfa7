//! Configuration: what is wrong is named, and what is shown has no secrets.

use super::*;

#[test]
fn a_configuration_error_names_file_line_and_key() {
    let workspace = Workspace::new();
    for (text, words) in [
        ("[detector.engine]\nalhpa = 0.1\n", "c.toml:2: unknown key detector.engine.alhpa, did you mean \"alpha\"?"),
        ("[detector.engine]\nalpha = \"high\"\n", "c.toml:2: detector.engine.alpha is \"high\": set 1e-12 to 0.5"),
        ("[detector.engine]\nalpha = 7\n", "c.toml:2: detector.engine.alpha is 7: set 1e-12 to 0.5"),
        ("[admin]\nlisten = \"here\"\n", "c.toml:2: admin.listen: expected an IP address and a port"),
        ("[admin\n", "c.toml:1: unclosed table"),
    ] {
        workspace.write("c.toml", text);
        workspace.run(&["config", "check", "--config", "c.toml"]).ends(1).prints_nothing().says(&[words]);
    }
    workspace.run(&["detect", "x", "--config", "no.toml"]).ends(1).says(&["cannot read the configuration no.toml"]);
    workspace.run(&["config", "check"]).ends(0).prints_nothing().says(&["are valid"]);
    // The files that it names are checked with it.
    workspace.write("c.toml", "[sharing]\nrecipients = \"r.toml\"\n");
    let check = |words: &str| {
        workspace.run(&["config", "check", "--config", "c.toml"]).ends(1).prints_nothing().says(&[words]);
    };
    check("r.toml");
    workspace.write("r.toml", "[[recipients]]\nname = \"a\"\nclas = \"congress\"\n");
    check("r.toml:3: unknown key recipients.0.clas, did you mean \"class\"?");
    workspace.write("r.toml", "[classes.secret_service]\nconcerned = \"never\"\n");
    check("r.toml: classes.secret_service.concerned must be \"always\"");
    workspace.write("c.toml", "[detector]\nlexicon = \"nowhere\"\n");
    check("cannot read the lexicon nowhere");
    let mut show = workspace.command(&["config", "show"]);
    let run = Run::of(show.env("LOCKSTEP__DETECTOR__ENGINE__ALPHA", "0.01").output().unwrap()).ends(0);
    assert!(run.out.contains("alpha = 0.01"), "{}", run.out);
    let mut check = workspace.command(&["config", "check"]);
    let run = Run::of(check.env("LOCKSTEP__DETECTOR__ENGINE__ALHPA", "0.01").output().unwrap()).ends(1);
    run.says(&["environment variable LOCKSTEP__DETECTOR__ENGINE__ALHPA", "did you mean \"alpha\"?"]);
    workspace
        .run(&["partners", "key", "nobody"])
        .ends(1)
        .prints_nothing()
        .says(&["no partner \"nobody\"", "sharing.recipients"]);
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let workspace = Workspace::new();
    workspace.write(
        "c.toml",
        "[sharing]\ndatabase = \"postgres://lockstep:hush@db/sharing\"\n[log.properties]\n\"sasl.password\" = \"hush\"\n\
         \"sasl.username\" = \"lockstep\"\n",
    );
    let mut show = workspace.command(&["config", "show", "--config", "c.toml"]);
    let shown =
        Run::of(show.env("LOCKSTEP__SHARING__LOGIN__PROVIDER__CLIENT_SECRET", "hush").output().unwrap()).ends(0).out;
    assert!(!shown.contains("hush"), "{shown}");
    for part in ["postgres://lockstep:***@db/sharing", "\"sasl.password\" = \"***\"", "client_secret = \"***\""] {
        assert!(shown.replace("sasl.password =", "\"sasl.password\" =").contains(part), "{part}: {shown}");
    }
    workspace.write("open.toml", "[sharing]\nlisten = \"0.0.0.0:8080\"\n");
    workspace.run(&["config", "check", "--config", "open.toml"]).ends(1).says(&["sharing.tls", "behind_proxy"]);
    workspace.write("tls.toml", "[sharing.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    workspace.run(&["config", "check", "--config", "tls.toml"]).ends(1).says(&["sharing.tls.certificate", "cert.pem"]);
}

#[test]
fn models_and_worlds_that_are_not_there_name_those_that_are() {
    let workspace = Workspace::new();
    workspace.run(&["models", "list"]).ends(1).says(&["models has no model registry", "--models"]);
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
    assert!(workspace.run(&["models", "--models", models, "list"]).ends(0).out.contains("in service"));
    let list = workspace.run(&["models", "--models", models, "list", "--json"]).ends(0).out;
    let list: Value = serde_json::from_str(&list).unwrap();
    let in_service = list.as_array().unwrap().iter().filter(|model| model["active"] == true);
    assert_eq!(in_service.map(|model| model["name"].as_str().unwrap()).collect::<Vec<_>>(), ["account", "cluster"]);
    workspace
        .run(&["models", "--models", models, "show", "cluster", "none"])
        .ends(1)
        .says(&["cluster none", "there are: "]);
    workspace.run(&["models", "--models", models, "promote", "../x", "1"]).ends(1).says(&["cannot be a model's name"]);
    let version = list.as_array().unwrap().iter().find(|model| model["name"] == "cluster").unwrap()["version"].as_str();
    let card =
        workspace.run(&["models", "--models", models, "show", "cluster", version.unwrap(), "--card"]).ends(0).out;
    assert!(card.starts_with("# Model card: cluster"), "{card}");
    assert!(workspace.run(&["simulate", "--list"]).ends(0).out.lines().any(|world| world == "demo"));
    workspace.run(&["simulate"]).ends(2).says(&["--world"]);
    workspace.run(&["simulate", "--world", "dmeo"]).ends(1).says(&["did you mean `demo`?"]);
    workspace.run(&["simulate", "--world", "no.toml"]).ends(1).says(&["cannot read the world no.toml"]);
}

#[test]
fn the_configuration_for_kubernetes_is_valid() {
    let workspace = Workspace::new();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/kubernetes"));
    workspace.write("token", "a-token-for-prometheus\n");
    let recipients = folder.join("sharing.toml");
    let file = folder.join("lockstep.toml");
    let mut check = workspace.command(&["config", "check", "--config", file.to_str().unwrap()]);
    // What the cluster mounts.
    check.env("LOCKSTEP__SHARING__RECIPIENTS", recipients).env("LOCKSTEP__ADMIN__TOKEN_FILE", "token");
    let run = Run::of(check.output().unwrap()).ends(0);
    assert!(!run.err.contains("unknown"), "{}", run.err);
}
