//! Object 5, Firmware Update v1.0 (OMA 5-1_0.xml): its state machine, without any transport.
//!
//! ```text
//!            URI or package               checked                Execute
//!  Idle ───────────────────► Downloading ─────────► Downloaded ──────────► Updating ──► reboot
//!   ▲  ◄─────────────────────┘ result 2..7, 9  reset │                        │ result 8
//!   └────────────────────────────────────────────────┴────────────────────────┘
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use machine::Instant;

use super::components::{ComponentSettings, Place};
use super::config::FirmwareSettings;
use super::deferral::Policy;
use super::firmware_store::{FirmwareStore, Kept, PackageName, Recovered, Source, StoreError};
use super::firmware_values::{DeliveryMethod, StateAfterFailure, UpdateResult, UpdateState};
use super::package_uri::{PackageUri, PackageUriError, Scheme};
use crate::path::InstanceId;

/// Why a write or an execute is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// Not in this state, or never on this device: 4.05.
    NotAllowed,
    /// Something else is in the way: 4.00.
    Busy,
    /// A part of the package is missing: 4.08.
    Incomplete,
    /// The part could not be stored; the result says why: 5.00.
    NotStored,
}

/// What a written Package URI leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum UriWritten {
    /// Back to Idle; a running download ends.
    Reset,
    /// It cannot be downloaded; the result says why.
    Unusable,
    /// Download from there.
    Download(PackageUri, Kept),
}

/// One part of a pushed package.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
    pub(super) last: bool,
    pub(super) total: Option<u64>,
}

/// The longest Package URI (OMA 5.xml, resource 1: 0..255 bytes).
const LONGEST_URI: usize = 255;

pub(super) struct FirmwareUpdate<F> {
    store: F,
    place: Place,
    /// What a component is called, and which ones are installed with it.
    component: ComponentSettings,
    state: UpdateState,
    result: UpdateResult,
    uri: String,
    schemes: Vec<Scheme>,
    method: DeliveryMethod,
    after_failure: StateAfterFailure,
    push_patience: Duration,
    received: u64,
    total: Option<u64>,
    /// An open push: when it counts as abandoned.
    push_deadline: Option<Instant>,
    power_lost: bool,
    /// Of object version 1.1.
    policy: Option<Policy>,
}

impl<F: FirmwareStore> FirmwareUpdate<F> {
    pub(super) fn new(mut store: F, settings: &FirmwareSettings) -> Self {
        let after_failure = settings.after_failure;
        let (state, result, uri) = match store.recover() {
            Recovered::Nothing => (UpdateState::Idle, UpdateResult::Initial, None),
            Recovered::Interrupted { uri } => (UpdateState::Downloading, UpdateResult::Initial, Some(uri)),
            Recovered::Downloaded { uri } => (UpdateState::Downloaded, UpdateResult::Initial, uri),
            Recovered::Installed => (UpdateState::Idle, UpdateResult::Success, None),
            Recovered::InstallFailed => (after_failure.state(), UpdateResult::UpdateFailed, None),
        };
        Self {
            store,
            place: Place::FIRMWARE,
            component: ComponentSettings::default(),
            state,
            result,
            uri: uri.unwrap_or_default(),
            schemes: settings.schemes.clone(),
            method: settings.method,
            after_failure,
            push_patience: settings.push_patience,
            received: 0,
            total: None,
            push_deadline: None,
            power_lost: false,
            policy: settings.deferral.map(Policy::new),
        }
    }

    /// That of a component, whose user is never asked.
    pub(super) fn of_component(
        store: F,
        instance: InstanceId,
        component: &ComponentSettings,
        settings: &FirmwareSettings,
    ) -> Self {
        let place = Place::component(instance);
        Self { place, component: component.clone(), policy: None, ..Self::new(store, settings) }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn name(&self) -> &str {
        &self.component.name
    }

    pub(super) fn linked(&self) -> &[InstanceId] {
        &self.component.linked
    }

    pub(super) fn state(&self) -> UpdateState {
        self.state
    }

    pub(super) fn result(&self) -> UpdateResult {
        self.result
    }

    pub(super) fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    pub(super) fn policy_mut(&mut self) -> Option<&mut Policy> {
        self.policy.as_mut()
    }

    pub(super) fn set_result(&mut self, result: UpdateResult) {
        self.result = result;
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    pub(super) fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    pub(super) fn method(&self) -> DeliveryMethod {
        self.method
    }

    pub(super) fn package(&self) -> Option<PackageName> {
        self.store.package()
    }

    pub(super) fn running_version(&self) -> String {
        self.store.running_version()
    }

    pub(super) fn store_mut(&mut self) -> &mut F {
        &mut self.store
    }

    pub(super) fn store(&self) -> &F {
        &self.store
    }

    pub(super) fn into_store(self) -> F {
        self.store
    }

    /// Whether the store reported a power cut: nothing may be said or done any more.
    pub(super) fn power_lost(&self) -> bool {
        self.power_lost
    }

    /// Bytes stored and size of the package that is arriving.
    pub(super) fn progress(&self) -> (u64, Option<u64>) {
        (self.received, self.total)
    }

    pub(super) fn is_pushing(&self) -> bool {
        self.push_deadline.is_some()
    }

    /// When an open push counts as abandoned.
    pub(super) fn push_deadline(&self) -> Option<Instant> {
        self.push_deadline
    }

    /// The download that was interrupted by a reboot.
    pub(super) fn interrupted_download(&mut self) -> Option<UriWritten> {
        if self.state != UpdateState::Downloading {
            return None;
        }
        let uri = core::mem::take(&mut self.uri);
        self.state = UpdateState::Idle;
        Some(self.start_download(&uri))
    }

    pub(super) fn write_uri(&mut self, uri: &str) -> Result<UriWritten, Refusal> {
        if self.method == DeliveryMethod::Push {
            return Err(Refusal::NotAllowed);
        }
        if uri.is_empty() {
            self.reset()?;
            return Ok(UriWritten::Reset);
        }
        if self.state != UpdateState::Idle || uri.len() > LONGEST_URI {
            return Err(Refusal::Busy);
        }
        Ok(self.start_download(uri))
    }

    fn start_download(&mut self, uri: &str) -> UriWritten {
        self.result = UpdateResult::Initial;
        self.uri = uri.to_string();
        let parsed = match PackageUri::parse(uri) {
            Ok(parsed) if self.schemes.contains(&parsed.scheme) => parsed,
            Err(PackageUriError::Invalid) => return self.unusable(UpdateResult::InvalidUri),
            Ok(_) | Err(PackageUriError::UnsupportedScheme) => {
                return self.unusable(UpdateResult::UnsupportedProtocol);
            }
        };
        match self.store.begin(Source::Uri(uri)) {
            Ok(kept) => {
                self.state = UpdateState::Downloading;
                self.received = kept.offset;
                self.total = kept.total;
                UriWritten::Download(parsed, kept)
            }
            Err(error) => {
                self.fail(error);
                UriWritten::Unusable
            }
        }
    }

    fn unusable(&mut self, result: UpdateResult) -> UriWritten {
        self.give_up(result);
        UriWritten::Unusable
    }

    /// One part of a pushed package; the verdict on the whole is in the result, not in the answer.
    pub(super) fn write_package(&mut self, part: Part<'_>, now: Instant) -> Result<(), Refusal> {
        let resets = part.offset == 0 && part.last && matches!(part.bytes, [] | [0]);
        if resets {
            return self.reset();
        }
        if self.method == DeliveryMethod::Pull {
            return Err(Refusal::NotAllowed);
        }
        if part.offset == 0 {
            self.start_push(part.total)?;
        }
        if self.push_deadline.is_none() || part.offset != self.received {
            return Err(Refusal::Incomplete);
        }
        self.push_deadline = Some(now + self.push_patience);
        self.append(part.bytes).map_err(|_| Refusal::NotStored)?;
        if part.last {
            self.finish();
        }
        Ok(())
    }

    fn start_push(&mut self, total: Option<u64>) -> Result<(), Refusal> {
        // A push that starts again replaces the open one (RFC 7959 section 2.5).
        if self.state != UpdateState::Idle && !self.is_pushing() {
            return Err(Refusal::Busy);
        }
        self.uri.clear();
        self.result = UpdateResult::Initial;
        self.received = 0;
        self.total = total;
        let begun = self.store.begin(Source::Pushed).and_then(|_| self.store.identify(None, total));
        begun.map_err(|error| {
            self.fail(error);
            Refusal::NotStored
        })?;
        self.state = UpdateState::Downloading;
        self.push_deadline = Some(Instant::FAR_FUTURE);
        Ok(())
    }

    /// The peer has told what the package is; comes before its first byte.
    pub(super) fn identify(&mut self, etag: Option<&[u8]>, total: Option<u64>) -> Result<(), StoreError> {
        self.total = total;
        self.store.identify(etag, total).inspect_err(|error| self.fail(*error))
    }

    /// What is offered is not what the stored bytes belong to.
    pub(super) fn restart(&mut self) -> Result<(), StoreError> {
        self.received = 0;
        self.store.restart().inspect_err(|error| self.fail(*error))
    }

    /// Stores the next bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.write(self.received, bytes).inspect_err(|error| self.fail(*error))?;
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// The last byte is stored.
    pub(super) fn finish(&mut self) {
        self.push_deadline = None;
        self.total = Some(self.received);
        match self.store.finish() {
            Ok(()) => self.state = UpdateState::Downloaded,
            Err(error) => self.fail(error),
        }
    }

    pub(super) fn execute(&mut self) -> Result<(), Refusal> {
        if self.state != UpdateState::Downloaded {
            return Err(Refusal::NotAllowed);
        }
        self.result = UpdateResult::Initial;
        match self.store.activate() {
            Ok(()) => self.state = UpdateState::Updating,
            Err(StoreError::PowerLost) => self.power_lost = true,
            Err(_) => {
                self.result = UpdateResult::UpdateFailed;
                self.state = self.after_failure.state();
            }
        }
        Ok(())
    }

    /// The server says that there is no such package, or the push was abandoned: nothing of it is of use.
    pub(super) fn abandon(&mut self, result: UpdateResult) {
        self.give_up(result);
        self.discard();
    }

    /// The download ends without a package; what is stored may serve a later one from the same place.
    pub(super) fn give_up(&mut self, result: UpdateResult) {
        self.result = result;
        self.state = UpdateState::Idle;
        self.push_deadline = None;
    }

    fn reset(&mut self) -> Result<(), Refusal> {
        if self.state == UpdateState::Updating {
            return Err(Refusal::NotAllowed);
        }
        self.uri.clear();
        self.received = 0;
        self.total = None;
        self.give_up(UpdateResult::Initial);
        self.discard();
        Ok(())
    }

    fn fail(&mut self, error: StoreError) {
        self.give_up(error.result());
        if error == StoreError::PowerLost {
            self.power_lost = true;
        } else {
            self.discard();
        }
    }

    /// A package that cannot be forgotten stays unusable: `begin` has to forget it again.
    fn discard(&mut self) {
        if self.store.discard() == Err(StoreError::PowerLost) {
            self.power_lost = true;
        }
    }
}

impl<F> core::fmt::Debug for FirmwareUpdate<F> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("FirmwareUpdate")
            .field("state", &self.state)
            .field("result", &self.result)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
