//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;
use zeroize::Zeroizing;

use crate::config::Database;

/// Where the database is, and thereby which engine has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// In a file, which is made if it is missing: SQLite.
    File(PathBuf),
    /// In a PostgreSQL server.
    Server(ServerUrl),
}

/// The address of a database in a PostgreSQL server, and the password that opens it. The password is in none
/// of its texts.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    text: String,
    password: Option<Zeroizing<String>>,
}

/// Why a text is no address of a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UrlError {
    /// Not `postgres:` or `postgresql:`.
    #[error("it does not start with postgres://")]
    Scheme,
    /// No URL.
    #[error("it cannot be read as an address")]
    Malformed,
    /// It has a password, which others would see in files, logs and lists of processes.
    #[error("it contains a password; put that into a file and set database.password_file")]
    Password,
}

/// Why a password cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the password of the database from {path}")]
pub struct PasswordError {
    /// The file.
    pub path: String,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

impl Location {
    /// In the server that is configured, or in the data folder.
    ///
    /// # Errors
    /// The file with the password cannot be read.
    pub fn of(config: &Database, folder: &Path) -> Result<Self, PasswordError> {
        let Some(url) = config.url.clone() else { return Ok(Self::File(folder.join("updraft.db"))) };
        Ok(Self::Server(match &config.password_file {
            Some(file) => url.with_password_file(file)?,
            None => url,
        }))
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(UrlError::Scheme);
        }
        let url = AnyConnectOptions::from_str(text).map_err(|_| UrlError::Malformed)?.database_url;
        if url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password") {
            return Err(UrlError::Password);
        }
        Ok(Self { text: text.to_owned(), password: None })
    }
}

impl ServerUrl {
    /// The same with the password that a file has in its first line.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn with_password_file(self, path: &Path) -> Result<Self, PasswordError> {
        let failed = |source| PasswordError { path: path.display().to_string(), source };
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
        let line = text.lines().next().unwrap_or_default();
        Ok(Self { password: Some(Zeroizing::new(line.to_owned())), ..self })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.as_str())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ServerUrl({self})")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Server(url) => url.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_postgresql_and_have_no_password() {
        let check = |text: &str, expect: Result<(), UrlError>| {
            assert_eq!(text.parse::<ServerUrl>().map(|_| ()), expect, "{text}");
        };
        check("postgres://updraft@localhost/updraft", Ok(()));
        check("postgresql://%2Frun%2Fpostgresql/updraft?sslmode=disable", Ok(()));
        check("mysql://localhost/updraft", Err(UrlError::Scheme));
        check("updraft.db", Err(UrlError::Scheme));
        check("postgres://[::1", Err(UrlError::Malformed));
        check("postgres://updraft:secret@localhost/updraft", Err(UrlError::Password));
        check("postgres://localhost/updraft?password=secret", Err(UrlError::Password));
    }

    #[test]
    fn the_password_is_in_no_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "se cret:@/\n").unwrap();
        let url: ServerUrl = "postgres://updraft@localhost/updraft".parse().unwrap();
        let url = url.with_password_file(file.path()).unwrap();
        assert_eq!(url.password(), Some("se cret:@/"));
        let location = Location::Server(url);
        assert!(!format!("{location} {location:?}").contains("cret"));
    }
}
