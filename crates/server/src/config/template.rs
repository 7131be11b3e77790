//! Writes configuration files.

use std::fmt::Write;

use super::{Config, ConfigError, KEYS, Key, Sources, layers};

/// A configuration file with every key explained and commented out at its default.
pub fn template() -> String {
    let mut text = String::from(
        "# Configuration of updraft. Every line shows the default; remove the # to change it.\n\
         # The variable UPDRAFT_A__B overrides the key a.b, and the flag --set a.b=value both.\n",
    );
    write_keys(&mut text, |key| format!("# {} = {}", last_part(key), quoted(key.default)));
    text
}

/// A configuration file with every key at the value that is in force, and where it comes from.
///
/// # Errors
/// As [`Config::read`].
pub fn effective(sources: &Sources) -> Result<String, ConfigError> {
    Config::read(sources)?;
    let layers = layers(sources);
    let mut text = String::from("# What is in force.\n");
    write_keys(&mut text, |key| {
        let setting = &layers.settings[key.name];
        format!("{} = {} # {}", last_part(key), quoted(&setting.text), setting.origin)
    });
    Ok(text)
}

fn write_keys(text: &mut String, line: impl Fn(&Key) -> String) {
    let mut section = "";
    for key in KEYS {
        let own = key.name.rsplit_once('.').map_or("", |(section, _)| section);
        if own != section {
            section = own;
            text.push_str(&format!("\n[{section}]\n"));
        } else {
            text.push('\n');
        }
        for sentence in key.description.lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# {sentence}");
        }
        let _ = writeln!(text, "{}", line(key));
    }
}

fn last_part(key: &Key) -> &'static str {
    key.name.rsplit_once('.').map_or(key.name, |(_, name)| name)
}

/// Numbers and truths stand bare, texts in quotes.
fn quoted(value: &str) -> String {
    let bare = value.parse::<u64>().is_ok() || value.parse::<bool>().is_ok();
    if bare { value.to_owned() } else { toml_text(value) }
}

fn toml_text(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}
