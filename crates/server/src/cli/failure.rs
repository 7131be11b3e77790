//! How a command can fail, and what its exit code says.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::api::{Outcome, Problem};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The operation failed here.
    Operation(anyhow::Error),
    /// The server refused.
    Problem(Problem),
    /// The command line or the configuration is wrong.
    Usage(anyhow::Error),
    /// No answer from the server.
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The upgrade ended, but not with success.
    WithoutSuccess(Outcome),
}

impl Failure {
    /// An operation that failed here.
    pub fn operation(error: impl Into<anyhow::Error>) -> Self {
        Self::Operation(error.into())
    }

    /// A wrong command line or configuration.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    /// As the help documents them.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Operation(_) | Self::Problem(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 3,
            Self::WithoutSuccess(_) => 4,
        })
    }

    /// As a problem, for `--json`.
    pub fn as_problem(&self) -> Problem {
        let problem = |code: &str, title: &str| Problem {
            kind: format!("urn:updraft:problem:{code}"),
            title: title.to_owned(),
            status: 0,
            detail: self.detail(),
            remedy: self.remedy(),
        };
        match self {
            Self::Problem(problem) => problem.clone(),
            Self::Operation(_) => problem("operation", "The operation failed"),
            Self::Usage(_) => problem("usage", "The command line or the configuration is wrong"),
            Self::Unreachable { .. } => problem("unreachable", "The server cannot be reached"),
            Self::WithoutSuccess(_) => problem("without-success", "The upgrade ended without success"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Operation(error) | Self::Usage(error) => format!("{error:#}"),
            Self::Problem(problem) => problem.detail.clone(),
            Self::Unreachable { url, source } => format!("no server answers at {url}: {source}"),
            Self::WithoutSuccess(outcome) => {
                let cause = outcome.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
                format!("the upgrade ended without success: {}{cause}. {}", outcome.code, outcome.reason)
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Operation(_) | Self::Usage(_) => String::new(),
            Self::Problem(problem) => problem.remedy.clone(),
            Self::Unreachable { .. } => {
                "Start it with `updraft serve`, or name it with --server URL or UPDRAFT_URL.".to_owned()
            }
            Self::WithoutSuccess(outcome) => outcome.advice.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", self.detail())?;
        let remedy = self.remedy();
        if remedy.is_empty() { Ok(()) } else { write!(formatter, "\n  {remedy}") }
    }
}
