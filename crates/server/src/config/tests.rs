use std::path::Path;

use super::*;

fn file(text: &str) -> Sources {
    Sources { file: Some((PathBuf::from("updraft.toml"), text.to_owned())), ..Sources::default() }
}

fn flags(pairs: &[(&str, &str)]) -> Sources {
    let flags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Sources { flags, ..Sources::default() }
}

fn defaults() -> Config {
    Config::read(&Sources::default()).unwrap()
}

#[test]
fn defaults_are_safe() {
    let config = defaults();
    assert!(config.http.bind.ip().is_loopback());
    assert!(config.lwm2m.coap_bind.is_empty(), "plain CoAP is off (n03)");
    assert_eq!(config.lwm2m.coaps_bind[0].port(), 5684);
    assert!(config.bootstrap.coap_bind.is_empty(), "keys are not sent in clear");
    assert_eq!(config.bootstrap.coaps_bind[0].port(), 5694);
    assert_eq!(config.key_file, Path::new("updraft-data/key-encryption.key"));
}

#[test]
fn flags_win_over_environment_over_file() {
    let mut sources =
        file("[upgrade]\ntimeout = \"1h\"\n[log]\nformat = \"json\"\n[http]\nbind = \"127.0.0.1:1\"");
    sources.environment = vec![
        ("UPDRAFT_UPGRADE__TIMEOUT".to_owned(), "2h".to_owned()),
        ("UPDRAFT_HTTP__BIND".to_owned(), "127.0.0.1:2".to_owned()),
        ("PATH".to_owned(), "/bin".to_owned()),
        ("UPDRAFT_URL".to_owned(), "http://127.0.0.1:1".to_owned()),
    ];
    sources.flags = vec![("upgrade.timeout".to_owned(), "3h".to_owned())];
    let config = Config::read(&sources).unwrap();
    assert_eq!(config.upgrade.timeout, Some(Duration::from_secs(3 * 3_600)));
    assert_eq!(defaults().upgrade.timeout, None);
    assert_eq!(config.http.bind.port(), 2);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn every_bad_value_is_named_with_place_and_what_is_allowed() {
    let check = |key: &str, value: &str, allowed: &str| {
        let error = Config::read(&flags(&[(key, value)])).unwrap_err();
        assert_eq!(error.0.len(), 1, "{error}");
        let text = error.to_string();
        for part in [key, value, "command line", allowed] {
            assert!(text.contains(part), "{text:?} does not contain {part:?}");
        }
    };
    check("data_dir", "", "path");
    check("http.bind", "localhost", "127.0.0.1:8080");
    check("http.bind", "0.0.0.0:8080", "allow_remote_without_sign_in = true");
    check("http.allow_remote_without_sign_in", "yes", "true or false");
    check("lwm2m.coaps_bind", "5684", "0.0.0.0:5684");
    check("lwm2m.coaps_bind", "off", "coap_bind is off too");
    check("lwm2m.coap_bind", "on", "\"off\"");
    check("lwm2m.public_host", "coaps://x", "host name");
    check("lwm2m.shards", "65", "1 to 64");
    check("lwm2m.shards", "many", "1 to 64");
    check("http.allow_remote_without_sign_in", "1", "true or false");
    check("bootstrap.coaps_bind", "5694", "0.0.0.0:5684");
    check("bootstrap.coap_bind", "on", "\"off\"");
    check("upgrade.timeout", "10", "90s");
    check("upgrade.reach_timeout", "soon", "2d");
    check("upgrade.return_timeout", "0s", "above zero");
    check("packages.max_size", "2 GiB", "1 GiB");
    check("packages.max_size", "0", "1 B");
    check("packages.storage_limit", "all", "512 MiB");
    check("packages.reserve", "-1", "512 MiB");
    check("log.format", "xml", "json");
    check("log.filter", "server=loud", "info,server=debug");
}

#[test]
fn the_place_of_a_fault_is_its_line_or_its_variable() {
    let error = Config::read(&file("data_dir = \"x\"\n[http]\n\nbind = \"x\"")).unwrap_err();
    assert!(error.to_string().contains("updraft.toml line 4"), "{error}");
    let environment = vec![("UPDRAFT_LWM2M__SHARDS".to_owned(), "x".to_owned())];
    let error = Config::read(&Sources { environment, ..Sources::default() }).unwrap_err();
    assert!(error.to_string().contains("environment variable UPDRAFT_LWM2M__SHARDS"), "{error}");
}

#[test]
fn unknown_keys_are_refused_with_the_one_that_was_meant() {
    let error = Config::read(&file("[http]\nbnid = \"127.0.0.1:1\"")).unwrap_err();
    assert!(error.to_string().contains("did you mean http.bind?"), "{error}");
    let error = Config::read(&file("[colour]\nof = \"sky\"")).unwrap_err();
    assert!(error.to_string().contains("updraft config print"), "{error}");
}

#[test]
fn all_faults_are_told_at_once() {
    let error =
        Config::read(&flags(&[("http.bind", "x"), ("lwm2m.shards", "x"), ("nothing", "x")])).unwrap_err();
    assert_eq!(error.0.len(), 3, "{error}");
}

#[test]
fn a_broken_file_is_told_with_its_line() {
    let error = Config::read(&file("data_dir = \"a\"\nhttp = [")).unwrap_err();
    assert!(error.to_string().contains("updraft.toml line 2"), "{error}");
    let error = Config::read(&file("http.bind = 1.5")).unwrap_err();
    assert!(error.to_string().contains("http.bind must be"), "{error}");
}

#[test]
fn lists_may_be_written_as_toml_lists() {
    let config =
        Config::read(&file("[lwm2m]\ncoaps_bind = [\"0.0.0.0:1\", \"[::]:1\"]\nshards = 4")).unwrap();
    assert_eq!(config.lwm2m.coaps_bind.len(), 2);
    assert_eq!(config.lwm2m.shards.get(), 4);
}

#[test]
fn the_template_is_a_valid_file_and_says_what_the_defaults_are() {
    assert_eq!(Config::read(&file(&template())).unwrap(), defaults());
    let uncommented: String = template()
        .lines()
        .filter_map(|line| if line.contains(" = ") { line.strip_prefix("# ") } else { Some(line) })
        .filter(|line| {
            line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(uncommented.lines().filter(|line| line.contains(" = ")).count(), KEYS.len());
    assert_eq!(Config::read(&file(&uncommented)).unwrap(), defaults());
}

#[test]
fn what_is_in_force_can_be_read_back() {
    let sources = flags(&[("data_dir", "/srv/\"odd\" name"), ("lwm2m.shards", "3")]);
    let text = effective(&sources).unwrap();
    assert!(text.contains("shards = 3 # command line"), "{text}");
    assert_eq!(Config::read(&file(&text)).unwrap(), Config::read(&sources).unwrap());
}

#[test]
fn packages_are_kept_in_a_folder_or_in_a_bucket() {
    assert_eq!(defaults().packages.store, PackageStore::Folder);
    let read = |pairs: &[(&str, &str)]| Config::read(&flags(pairs)).map(|config| config.packages.store);
    let given = [
        ("packages.store", "s3://fleet-images/updraft/"),
        ("packages.s3_endpoint", "http://127.0.0.1:9000"),
        ("packages.s3_access_key_id", "id"),
        ("packages.s3_secret_access_key_file", "/etc/updraft/s3"),
    ];
    let PackageStore::S3(bucket) = read(&given).unwrap() else { panic!("it is a bucket") };
    assert_eq!((&*bucket.name, &*bucket.prefix), ("fleet-images", "updraft"));
    assert_eq!(bucket.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!(bucket.region, None);
    for store in ["", "s3://", "s3://ab", "s3://a_b_c", "s3://bucket/a//x", "/var/images", "gs://bucket"] {
        assert!(read(&[("packages.store", store)]).is_err(), "{store}");
    }
    assert!(read(&given[..3]).is_err(), "an id without its secret");
}

#[test]
fn sec_k08_a_password_of_the_database_is_refused_and_not_repeated() {
    let read = |url: &str| {
        let flags = vec![("database.url".to_owned(), url.to_owned())];
        Config::read(&Sources { flags, ..Sources::default() })
    };
    let text = read("postgres://updraft:hunter2@db.example.org/updraft").unwrap_err().to_string();
    assert!(text.contains("database.password_file") && !text.contains("hunter2"), "{text}");
    assert!(read("mysql://db.example.org/updraft").is_err());
    let url = "postgres://updraft@db.example.org/updraft?sslmode=verify-full";
    assert_eq!(read(url).unwrap().database.url.unwrap().to_string(), url);
}
