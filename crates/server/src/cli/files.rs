//! `updraft files`

use clap::Subcommand;

use super::client::Client;
use super::failure::Failure;
use super::output::Output;
use crate::api;

/// Downloads over HTTP and HTTPS.
#[derive(Subcommand, Debug)]
pub enum Files {
    /// Print the certificate that devices have to trust to download over HTTPS, in PEM.
    Certificate,
}

impl Files {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let Self::Certificate = self;
        let shown: api::FilesCertificate = client.get("/api/v1/files/certificate")?;
        output.value(&shown, || shown.certificate.trim_end().to_owned());
        Ok(())
    }
}
