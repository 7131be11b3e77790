//! `http`, `cli`, `southbound`, `bootstrap` → `app` → `store`, and `southbound` → `files`; nothing points back, and the command line speaks REST only.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_layer_uses_one_above_or_beside_it() {
    let forbidden: [(&str, &[&str]); 8] = [
        ("files", &["api", "app", "bootstrap", "cli", "http", "serve", "southbound"]),
        ("store", &["api", "app", "bootstrap", "cli", "http", "serve", "southbound"]),
        ("app", &["api", "bootstrap", "cli", "http", "serve", "southbound"]),
        ("api", &["bootstrap", "cli", "http", "serve", "southbound"]),
        ("http", &["bootstrap", "cli", "serve", "southbound"]),
        ("southbound", &["api", "bootstrap", "cli", "http", "serve"]),
        ("bootstrap", &["api", "cli", "http", "serve", "southbound"]),
        ("cli", &["app", "bootstrap", "southbound", "store"]),
    ];
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (layer, others) in forbidden {
        let files = rust_files(&sources.join(layer));
        assert!(!files.is_empty(), "{layer} is gone");
        for file in files {
            let text = fs::read_to_string(&file).expect("it can be read");
            for other in others {
                let found = text.contains(&format!("crate::{other}::"))
                    || text.contains(&format!("crate::{other};"))
                    || text.contains(&format!("crate::{{{other}"));
                assert!(!found, "{} uses {other}", file.display());
            }
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
