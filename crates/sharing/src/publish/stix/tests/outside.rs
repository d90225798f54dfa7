//! Readers of others: libraries and schemas that are not ours.

use super::*;

/// An independent reader of objects.
#[test]
fn another_library_reads_every_publication() {
    let validator = rstix::Validator::consumer_strict();
    let clusters = [
        with_all_techniques(fixtures::cluster("c", 1)),
        fixtures::hostile("<b>"),
        hostile_accounts(&[hostile_ids(), control_ids()].concat()),
    ];
    for cluster in &clusters {
        for demo in [false, true] {
            for (what, objects, _) in publications(cluster, demo, Tlp::Amber) {
                // The reader has to know TLP 2.0: OASIS publishes the markings without this, and so are they shipped.
                let tlp = json!({
                    "type": "extension-definition",
                    "spec_version": "2.1",
                    "id": TLP_EXTENSION,
                    "created_by_ref": PROJECT,
                    "created": EPOCH,
                    "modified": EPOCH,
                    "name": "TLP 2.0",
                    "schema": "https://github.com/oasis-open/cti-stix-common-objects",
                    "version": "1.0.0",
                    "extension_types": ["property-extension"],
                });
                let known: Vec<Value> = objects.iter().cloned().chain([tlp]).collect();
                let text = bundle(&known).to_string();
                let read = rstix::Bundle::parse(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(read.objects().len(), known.len());
                read.validate_refs().unwrap();
                let report = validator.validate_json_str(&text);
                let errors: Vec<_> = report.errors().collect();
                assert!(report.is_valid(), "{what}: {errors:#?}");
            }
        }
    }
}

#[test]
fn the_extension_has_the_properties_that_its_schema_names() {
    for cluster in [fixtures::cluster("c", 1), hostile_accounts(&[hostile_ids(), control_ids()].concat())] {
        for (what, objects, _) in publications(&cluster, true, Tlp::Amber) {
            let mut extended = 0;
            for object in &objects {
                if let Some(finding) = object["extensions"].get(EXTENSION) {
                    let finding: Finding = serde_json::from_value(finding.clone()).unwrap();
                    assert!(finding::REVIEW_STATES.contains(&&*finding.review_state), "{what}");
                    assert_eq!(finding.account_posts_seen.is_some(), object["type"] == "indicator");
                    assert_eq!(finding.accounts_total.is_some(), object["type"] == "campaign");
                    extended += 1;
                }
            }
            assert_eq!(extended, of(&objects, "indicator").len() + of(&objects, "campaign").len(), "{what}");
        }
    }
    let objects =
        values(&publication(&released(&fixtures::cluster("c", 1)), &fixtures::cluster("c", 1), "twitter").objects());
    let definition = of(&objects, "extension-definition")[0];
    assert_eq!((&definition["schema"], &definition["version"]), (&json!(finding::SCHEMA), &json!("2.0.0")));
    // Partners have version 1 of it: a definition of the same id is newer.
    assert!(definition["modified"].as_str() > definition["created"].as_str());
}

/// Another producer's feed has the same definition of the extension: it is Lockstep's, not the producer's.
#[test]
fn producers_share_the_definition_of_the_extension() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let one = publication(&case, &cluster, "twitter");
    let two = Publication { identity: "Somebody else", ..one };
    let definition = |p: Publication| values(&p.objects()).into_iter().find(|o| o["type"] == "extension-definition");
    assert_eq!(definition(one), definition(two));
}

/// Writes publications of every kind and has others read them: the OASIS validator, the OASIS pattern library, MISP's importer.
/// `LOCKSTEP_STIX_PYTHON` names a Python that has them.
#[test]
#[ignore = "needs Python packages: tests/stix/validate.sh"]
fn outside_readers_take_every_publication() {
    let python = std::env::var_os("LOCKSTEP_STIX_PYTHON").expect("a Python in LOCKSTEP_STIX_PYTHON");
    let python = std::path::PathBuf::from(python);
    let folder = tempfile::tempdir().unwrap();
    let mut expected = serde_json::Map::new();
    let clusters = [
        ("plain", fixtures::cluster("c", 1)),
        ("techniques", with_all_techniques(fixtures::cluster("c", 1))),
        ("hostile", fixtures::hostile("<b>")),
        ("ids", hostile_accounts(&hostile_ids())),
        ("controls", hostile_accounts(&control_ids())),
        ("large", fixtures::sized("big", 3, 60, 80)),
        ("without_disarm", with_all_techniques(fixtures::cluster("c", 1))),
    ];
    for (name, cluster) in &clusters {
        let tlps = [Tlp::Amber, Tlp::Clear, Tlp::Green, Tlp::AmberStrict, Tlp::Red];
        let tlps = if *name == "techniques" { &tlps[..] } else { &tlps[..1] };
        for (demo, tlp) in tlps.iter().map(|tlp| (false, *tlp)).chain([(true, Tlp::Amber)]) {
            let disarm_objects = *name != "without_disarm";
            for (what, objects, live) in publications_with(cluster, demo, tlp, disarm_objects) {
                let file = format!("{name}-{what}-{}-{demo}.json", tlp.label().replace(':', "-"));
                std::fs::write(folder.path().join(&file), bundle(&objects).to_string()).unwrap();
                expected.insert(file, json!({ "live": live, "demo": demo, "now": millis(time(30)) }));
            }
        }
    }
    let run = |program: &std::path::Path, arguments: &[&std::ffi::OsStr]| {
        let output = std::process::Command::new(program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().filter(|line| line.starts_with("read ")).for_each(|line| eprintln!("{line}"));
    };
    let validator = python.with_file_name("stix2_validator");
    run(&validator, &["--version".as_ref(), "2.1".as_ref(), "--enforce-refs".as_ref(), folder.path().as_os_str()]);
    // Beside the bundles, not among them: the validator reads every file of a folder.
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), Value::Object(expected).to_string()).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = root.join("schemas/stix-finding.v2.json");
    for script in ["objects.py", "misp.py"] {
        let script = root.join("../../tests/stix").join(script);
        let arguments = [script.as_os_str(), folder.path().as_os_str(), list.path().as_os_str(), schema.as_os_str()];
        run(&python, &arguments);
    }
}
