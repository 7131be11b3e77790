//! Which DTLS suites the clients in the field offer.

use dtls::Suite;
use lwm2m::client::quirks::Profile;

/// What a client of this profile offers, the most wanted first; every suite if it is not known to be choosy.
pub(super) fn offered(profile: Profile) -> Vec<Suite> {
    match profile {
        Profile::Standard | Profile::Anjay => Suite::ALL.to_vec(),
        // tinydtls, which Wakaama and Contiki-NG build with, knows one suite; Anjay Lite offers one.
        Profile::AnjayLite | Profile::Wakaama | Profile::Contiki => vec![Suite::PskAes128Ccm8],
        // So do the Quectel modules with the client of LiteOS, but another one.
        Profile::LiteOs => vec![Suite::PskAes128CbcSha256],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_offers_something() {
        assert!(Profile::ALL.into_iter().all(|profile| !offered(profile).is_empty()));
    }
}
