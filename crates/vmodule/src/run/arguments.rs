//! The arguments of `vmodule run`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use lwm2m::client::Scheme;
use lwm2m::client::quirks::Profile;
use lwm2m::path::ObjectId;

use crate::flash::PowerArguments;
use crate::{Imei, Kind, Sends};

/// Arguments of `vmodule run`.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes:
  0  stopped by a signal, after deregistering
  1  something is wrong with arguments, files or the network; the message says what
  2  the arguments cannot be read
  3  the power was cut (--power-cut-after) and does not come back by itself
  4  the flash holds no image that can run
  5  the server could not be reached or refused the module --give-up-after times in a row")]
pub struct RunArguments {
    /// Which module to play.
    #[arg(long, default_value = "ryz014")]
    pub(super) kind: Kind,
    /// The identity of the device: 15 digits.
    #[arg(long)]
    pub(super) imei: Imei,
    /// An LwM2M server: coap://HOST[:PORT] or coaps://HOST[:PORT]. Given several times, the module registers
    /// at each; their short server ids count from 1.
    #[arg(long, value_name = "URI", required_unless_present = "bootstrap")]
    pub(super) server: Vec<String>,
    /// The bootstrap server: coap://HOST[:PORT] or coaps://HOST[:PORT]. It is asked if there is no server,
    /// or none can be reached. What it writes is kept in FILE.accounts beside the flash file and counts from
    /// then on, until this module is started with other servers, keys or lifetimes.
    #[arg(long, value_name = "URI")]
    pub(super) bootstrap: Option<String>,
    /// How long the bootstrap server is given to begin by itself.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(super) hold_off: u64,
    /// Behave like another client: standard, anjay, anjay-lite, wakaama, contiki or liteos.
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<Profile>,
    /// Listen only for a while after each message (queue mode).
    #[arg(long)]
    pub(super) queue_mode: bool,
    /// How long that while is.
    #[arg(long, value_name = "SECONDS", default_value_t = 93)]
    pub(super) awake: u64,
    /// How the radio sleeps in queue mode: psm:SECONDS (unreachable; wakes to update its registration this
    /// often) or edrx:SECONDS (hears what was sent to it this often). Implies --queue-mode.
    #[arg(long, value_name = "HOW", value_parser = parse_sleep)]
    pub(super) sleep: Option<Sleep>,
    /// Open a new DTLS session at each wake-up.
    #[arg(long)]
    pub(super) reconnect: bool,
    /// Send values without being asked: PATH[,PATH...]@SECONDS, such as /4/0/2,/3/0/7@60.
    #[arg(long, value_name = "WHAT", value_parser = parse_sends)]
    pub(super) send: Option<Sends>,
    /// Have object 5 of version 1.1, with Cancel, Severity and Maximum Defer Period; the user of the module
    /// puts an installation off by up to so many seconds when the server allows it.
    #[arg(long, value_name = "SECONDS")]
    pub(super) put_off: Option<u64>,
    /// Have this object too: 2 (access control), 9 (software), 16 (portfolio) or 19 (data of the host). May
    /// be given several times.
    #[arg(long, value_name = "NUMBER", value_parser = parse_object)]
    pub(super) object: Vec<ObjectId>,
    /// A part with firmware of its own, as an instance of object 33629: its name and its flash file. Given
    /// several times, the instances count from 0.
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_component)]
    pub(super) component: Vec<Component>,
    /// The flash file; make one with `vmodule flash init`. All that happens stays in it.
    #[arg(long, value_name = "FILE")]
    pub(super) flash: PathBuf,
    /// The identity of the pre-shared key; the endpoint name unless given.
    #[arg(long)]
    pub(super) identity: Option<String>,
    /// A file with the pre-shared key in hex, bare or as `identity:hex`.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// The pre-shared key in hex. On the command line others can see it: prefer the variable or a file.
    #[arg(long, value_name = "HEX", env = "VMODULE_KEY", hide_env_values = true)]
    pub(super) key_hex: Option<String>,
    /// The lifetime of the registration in seconds; 0 never ends.
    #[arg(long, default_value_t = 60)]
    pub(super) lifetime: u32,
    /// Register with LwM2M 1.1 instead of 1.0.
    #[arg(long)]
    pub(super) lwm2m_1_1: bool,
    /// How fast a download may be.
    #[arg(long, value_name = "BYTES_PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) speed: Option<u32>,
    /// The protocols that it downloads by: coap, coaps, http, https.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "coap,coaps", value_parser = parse_protocol)]
    pub(super) protocols: Vec<Scheme>,
    /// A file with the certificates in PEM that downloads over https trust; none unless given.
    #[arg(long, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
    /// The part of all datagrams that is lost in each direction, 0.0 to 0.99.
    #[arg(long, default_value_t = 0.0, value_parser = parse_loss)]
    pub(super) loss: f64,
    /// Makes loss and waits the same in every run.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// How long the module waits before it repeats a message, in seconds (ACK_TIMEOUT of CoAP); the times
    /// after which it gives up follow in proportion.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_ack_timeout)]
    pub(super) ack_timeout: Duration,
    /// Download on a session of its own to the host of the package URI, not on the registration's.
    #[arg(long)]
    pub(super) separate_download: bool,
    #[command(flatten)]
    pub(super) power: PowerArguments,
    /// Let the power come back this many seconds after a cut instead of ending.
    #[arg(long, value_name = "SECONDS")]
    pub(super) restart: Option<u64>,
    /// How long a restart takes, in seconds; the first one of a new image takes twice as long.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub(super) boot_time: u64,
    /// End with exit code 5 after so many vain attempts to register in a row.
    #[arg(long, value_name = "ATTEMPTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) give_up_after: Option<u32>,
    /// The local address; a free port of all addresses unless given.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) bind: Option<SocketAddr>,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// A part of the module with firmware of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) flash: PathBuf,
}

fn parse_component(text: &str) -> Result<Component, String> {
    let parts = text.split_once('=').filter(|(name, file)| !name.is_empty() && !file.is_empty());
    let component = parts.map(|(name, file)| Component { name: name.into(), flash: file.into() });
    component.ok_or_else(|| String::from("give NAME=FILE, such as modem=modem.bin"))
}

/// How a radio sleeps, and how often it wakes by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sleep {
    Psm(Duration),
    Edrx(Duration),
}

/// Those that [`lwm2m::client::Config::optional_objects`] allows.
const OPTIONAL_OBJECTS: [u16; 4] = [2, 9, 16, 19];

fn parse_sleep(text: &str) -> Result<Sleep, String> {
    let seconds = |text: &str| text.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let sleep = match text.split_once(':') {
        Some(("psm", time)) => seconds(time).map(Sleep::Psm),
        Some(("edrx", time)) => seconds(time).map(Sleep::Edrx),
        _ => None,
    };
    sleep.ok_or_else(|| String::from("give psm:SECONDS or edrx:SECONDS"))
}

fn parse_sends(text: &str) -> Result<Sends, String> {
    let wrong = || String::from("give PATH[,PATH...]@SECONDS, such as /4/0/2,/3/0/7@60");
    let (paths, every) = text.split_once('@').ok_or_else(wrong)?;
    let every = every.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let paths = paths.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    Ok(Sends { paths, every: every.ok_or_else(wrong)? })
}

fn parse_object(text: &str) -> Result<ObjectId, String> {
    let known = text.parse().ok().filter(|number| OPTIONAL_OBJECTS.contains(number)).map(ObjectId);
    known.ok_or_else(|| String::from("the objects that can be had are 2, 9, 16 and 19"))
}

fn parse_loss(text: &str) -> Result<f64, String> {
    let loss = text.parse().ok().filter(|loss| (0.0..=0.99).contains(loss));
    loss.ok_or_else(|| String::from("the loss has to be a number from 0.0 to 0.99"))
}

fn parse_protocol(text: &str) -> Result<Scheme, String> {
    let known = [Scheme::Coap, Scheme::Coaps, Scheme::Http, Scheme::Https];
    let found = known.into_iter().find(|scheme| scheme.name() == text);
    found.ok_or_else(|| String::from("the protocols are coap, coaps, http and https"))
}

fn parse_ack_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.01..=60.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| String::from("it has to be from 0.01 to 60 seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_and_sends_are_read() {
        assert_eq!(parse_sleep("psm:60"), Ok(Sleep::Psm(Duration::from_secs(60))));
        assert_eq!(parse_sleep("edrx:20"), Ok(Sleep::Edrx(Duration::from_secs(20))));
        for text in ["psm", "psm:0", "psm:x", "deep:5", ""] {
            assert!(parse_sleep(text).is_err(), "{text}");
        }
        let sends = parse_sends("/4/0/2,/3@60").unwrap();
        assert_eq!((sends.paths.len(), sends.every), (2, Duration::from_secs(60)));
        for text in ["/4/0/2", "/4/0/2@0", "4@5", "@5"] {
            assert!(parse_sends(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_loss_is_a_part_and_never_all() {
        assert_eq!(parse_loss("0.2"), Ok(0.2));
        for text in ["1.0", "-0.1", "20", "NaN", "much"] {
            assert!(parse_loss(text).is_err(), "{text}");
        }
    }

    #[test]
    fn repetitions_can_be_hurried_but_never_become_a_flood() {
        assert_eq!(parse_ack_timeout("0.05"), Ok(Duration::from_millis(50)));
        for text in ["0", "-1", "61", "NaN", "inf", "soon"] {
            assert!(parse_ack_timeout(text).is_err(), "{text}");
        }
    }
}
