//! `updraft package`

mod approve;
mod download;
mod shown;
mod upload;

use clap::{Args, Subcommand, ValueEnum};

use super::client::{Client, escaped};
use super::failure::Failure;
use super::output::Output;
use crate::api;

/// Upload, approve and list firmware.
#[derive(Subcommand, Debug)]
pub enum Package {
    /// Upload a package: a signed archive, or an image where the product allows it.
    Upload(upload::Upload),
    /// List packages, newest first.
    List(List),
    /// Show one package, and who vouches for it.
    Show {
        /// The id of the package, or its name if there is only one of that name.
        package: String,
    },
    /// Let upgrades start with a package.
    Approve(approve::Approve),
    /// Let no upgrade start with a package any more.
    Withdraw {
        /// The id of the package, or its name if there is only one of that name.
        package: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Delete the file of a package that no upgrade uses. What is known of it stays.
    Remove {
        /// The id of the package, or its name if there is only one of that name.
        package: String,
    },
    /// Change what people read about a package, or how long its file is kept.
    Set(Set),
    /// Download what was uploaded, byte for byte.
    Download(download::Download),
}

#[derive(Args, Debug)]
pub struct List {
    /// Only packages with exactly this name.
    #[arg(long)]
    name: Option<String>,
    /// Only packages of this product: its id or its name.
    #[arg(long)]
    product: Option<String>,
    /// Only packages in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only packages that bring this version.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum State {
    /// Nobody has vouched for it.
    Uploaded,
    /// Its signatures are good.
    Verified,
    /// Upgrades may start with it.
    Approved,
    /// No upgrade may start with it any more.
    Withdrawn,
}

impl From<State> for api::PackageState {
    fn from(state: State) -> Self {
        match state {
            State::Uploaded => Self::Uploaded,
            State::Verified => Self::Verified,
            State::Approved => Self::Approved,
            State::Withdrawn => Self::Withdrawn,
        }
    }
}

/// For how long a file is kept.
#[derive(Clone, Copy, ValueEnum, Debug)]
enum Keep {
    /// 24 hours.
    #[value(name = "24h")]
    Day,
    /// 7 days.
    #[value(name = "1week")]
    Week,
    /// 30 days.
    #[value(name = "1month")]
    Month,
    /// Until somebody deletes it.
    #[value(name = "forever")]
    Forever,
}

impl Keep {
    fn code(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "1week",
            Self::Month => "1month",
            Self::Forever => "forever",
        }
    }
}

impl From<Keep> for api::Keep {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Day => Self::Day,
            Keep::Week => Self::Week,
            Keep::Month => Self::Month,
            Keep::Forever => Self::Forever,
        }
    }
}

#[derive(Args, Debug)]
#[group(id = "changes", required = true, multiple = true)]
pub struct Changes {
    /// Anything worth knowing.
    #[arg(long)]
    description: Option<String>,
    /// For how long its file is kept from now on.
    #[arg(long, value_enum)]
    keep: Option<Keep>,
}

#[derive(Args, Debug)]
pub struct Set {
    /// The id of the package, or its name if there is only one of that name.
    package: String,
    #[command(flatten)]
    changes: Changes,
}

const ADDRESS: &str = "/api/v1/packages";

fn path(id: &str) -> String {
    format!("{ADDRESS}/{}", escaped(id))
}

impl Package {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Upload(upload) => upload.run(client, output),
            Self::List(list) => list.run(client, output),
            Self::Show { package } => {
                let package = find(client, package)?;
                output.value(&package, || shown::shown(&package));
                Ok(())
            }
            Self::Approve(approve) => approve.run(client, output),
            Self::Withdraw { package, reason } => {
                let address = format!("{}/withdraw", path(&id(client, package)?));
                let body = api::WithdrawPackage { reason: reason.clone() };
                let package: api::Package = client.post(&address, &body)?;
                output.value(&package, || format!("withdrawn\n{}", shown::shown(&package)));
                Ok(())
            }
            Self::Remove { package } => {
                let id = id(client, package)?;
                client.delete(&path(&id))?;
                output.value(&serde_json::json!({"removed": id}), || format!("removed the file of {id}"));
                Ok(())
            }
            Self::Set(set) => {
                let Changes { description, keep } = &set.changes;
                let body =
                    api::ChangePackage { description: description.clone(), keep: keep.map(Into::into) };
                let package: api::Package = client.patch(&path(&id(client, &set.package)?), &body)?;
                output.value(&package, || shown::shown(&package));
                Ok(())
            }
            Self::Download(download) => download.run(client, output),
        }
    }
}

impl List {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let parameters = [
            ("name", self.name.as_deref()),
            ("product", self.product.as_deref()),
            ("state", self.state.map(|state| api::PackageState::from(state).code())),
            ("version", self.version.as_deref()),
        ];
        let packages: Vec<api::Package> = client.all(ADDRESS, &parameters)?;
        output.value(&packages, || shown::listed(&packages));
        Ok(())
    }
}

/// The id of the package that is meant by an id or by a name that only one has, apart from those of no use any more.
pub fn id(client: &Client, given: &str) -> Result<String, Failure> {
    let named: Vec<api::Package> = client.all(ADDRESS, &[("name", Some(given))])?;
    let is_over = |one: &api::Package| one.removed_at.is_some() || one.state == api::PackageState::Withdrawn;
    let (over, useful): (Vec<_>, Vec<_>) = named.into_iter().partition(is_over);
    let named = if useful.is_empty() { over } else { useful };
    match named.as_slice() {
        [] => Ok(given.to_owned()),
        [package] => Ok(package.id.clone()),
        several => Err(Failure::usage(anyhow::anyhow!(
            "{} packages have the name {given:?}; give one of the ids {}",
            several.len(),
            several.iter().map(|package| package.id.as_str()).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn find(client: &Client, given: &str) -> Result<api::Package, Failure> {
    client.get(&path(&id(client, given)?))
}
