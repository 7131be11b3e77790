//! Object 33629: several parts of a device, each with firmware of its own.
//!
//! One part is worked on at a time: it is [`Client::update`], the others wait beside it. A server that writes
//! to another one turns the client to that, unless a transfer is under way.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use coap::Code;

use super::Client;
use super::config::Config;
use super::firmware_store::FirmwareStore;
use super::firmware_update::FirmwareUpdate;
use super::firmware_values::UpdateState;
use super::objects::Objects;
use crate::object::{ADVANCED_FIRMWARE, FIRMWARE};
use crate::path::{InstanceId, ObjectId, Path, ResourceId};

/// Resource 0 of both objects.
const PACKAGE: ResourceId = ResourceId(0);

/// A part of a device beside the firmware of object 5, as an instance of object 33629; they are numbered in the
/// order of the configuration.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ComponentSettings {
    /// `/33629/x/14`
    pub name: String,
    /// `/33629/x/16`: parts whose images an order to install this one installs too.
    pub linked: Vec<InstanceId>,
}

/// So many parts a device has at most; more are left out.
pub const MOST_COMPONENTS: usize = 16;

/// Where an update is on the device: an instance of object 5 or 33629.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) object: ObjectId,
    pub(super) instance: InstanceId,
}

impl Place {
    /// That of object 5.
    pub(super) const FIRMWARE: Self = Self { object: FIRMWARE, instance: InstanceId(0) };

    pub(super) const fn component(instance: InstanceId) -> Self {
        Self { object: ADVANCED_FIRMWARE, instance }
    }

    /// The update that a path leads into, if it does.
    pub(super) fn of(path: Path) -> Option<Self> {
        let (object, instance) = path.object_id().zip(path.instance_id())?;
        is_firmware(object).then_some(Self { object, instance })
    }

    /// Whether this is where packages are pushed to.
    pub(super) fn is_package(path: Path) -> bool {
        matches!(path, Path::Resource(object, _, PACKAGE) if is_firmware(object))
    }

    pub(super) fn package(self) -> Path {
        Path::Resource(self.object, self.instance, PACKAGE)
    }
}

/// Whether instances of this object are updates.
pub(super) fn is_firmware(object: ObjectId) -> bool {
    object == FIRMWARE || object == ADVANCED_FIRMWARE
}

/// The components of a configuration, which afterwards has no others, each with its store.
pub(super) fn take_up<F: FirmwareStore>(config: &mut Config, stores: Vec<F>) -> Vec<FirmwareUpdate<F>> {
    config.components.truncate(stores.len().min(MOST_COMPONENTS));
    let settings = &config.firmware;
    let instances = (0..).map(InstanceId).zip(&config.components).zip(stores);
    let updates: Vec<_> = instances
        .map(|((id, component), store)| FirmwareUpdate::of_component(store, id, component, settings))
        .collect();
    // A package is too large to be taken at once.
    let packages = updates.iter().map(|update| update.place().package().to_string());
    config.coap.streamed.extend(packages);
    updates
}

/// The store of object 5, and those of the components in their order.
pub(super) fn into_stores<F: FirmwareStore>(
    update: FirmwareUpdate<F>,
    others: Vec<FirmwareUpdate<F>>,
) -> (F, Vec<F>) {
    let (mut main, mut components) = (update, Vec::new());
    for mut other in others {
        if other.place() == Place::FIRMWARE {
            core::mem::swap(&mut main, &mut other);
        }
        components.push(other);
    }
    components.sort_by_key(|update| update.place().instance);
    (main.into_store(), components.into_iter().map(FirmwareUpdate::into_store).collect())
}

impl<F: FirmwareStore> Client<F> {
    /// Object 5.
    pub(super) fn main_update(&self) -> &FirmwareUpdate<F> {
        self.updates().find(|update| update.place() == Place::FIRMWARE).unwrap_or(&self.update)
    }

    pub(super) fn main_update_mut(&mut self) -> &mut FirmwareUpdate<F> {
        let mut others = self.others.iter_mut();
        others.find(|update| update.place() == Place::FIRMWARE).unwrap_or(&mut self.update)
    }

    /// After a restart: the update whose download was cut off is the one that is worked on.
    pub(super) fn turn_to_interrupted(&mut self) {
        let interrupted = |update: &&FirmwareUpdate<F>| update.state() == UpdateState::Downloading;
        let place = self.updates().find(interrupted).map(FirmwareUpdate::place);
        if let Some(place) = place {
            // It is there, and nothing is transferred before the first one is.
            let _ = self.turn_to(place);
        }
    }

    /// The update of this place is the one that is worked on from now on; 5.03 while another is transferred.
    pub(super) fn turn_to(&mut self, place: Place) -> Result<(), Code> {
        if self.update.place() == place {
            return Ok(());
        }
        let wanted = self.others.iter().position(|update| update.place() == place).ok_or(Code::NOT_FOUND)?;
        if self.update.state() == UpdateState::Downloading {
            return Err(Code::SERVICE_UNAVAILABLE);
        }
        core::mem::swap(&mut self.update, &mut self.others[wanted]);
        self.told = (self.update.state(), self.update.result(), self.update.progress().0);
        Ok(())
    }

    /// The parts that are linked to the one that is being installed, and have an image, are installed with it.
    pub(super) fn install_linked(&mut self) {
        if self.update.state() != UpdateState::Updating {
            return;
        }
        let linked = self.update.linked().to_vec();
        for other in &mut self.others {
            let place = other.place();
            if place.object == ADVANCED_FIRMWARE && linked.contains(&place.instance) {
                // What has no image has nothing to install.
                let _ = other.execute();
                self.changed = true;
            }
        }
    }

    /// The client of object 5 and the components, each in its place.
    pub(super) fn updates(&self) -> impl Iterator<Item = &FirmwareUpdate<F>> {
        core::iter::once(&self.update).chain(&self.others)
    }
}

impl<F: FirmwareStore> Objects<'_, F> {
    /// The update at a place.
    pub(super) fn update_at(&self, object: ObjectId, instance: InstanceId) -> Option<&FirmwareUpdate<F>> {
        let place = Place { object, instance };
        core::iter::once(self.update).chain(self.others).find(|update| update.place() == place)
    }

    /// The instances of object 5 or 33629.
    pub(super) fn updates_of(&self, object: ObjectId) -> Vec<InstanceId> {
        let places = core::iter::once(self.update).chain(self.others).map(FirmwareUpdate::place);
        let mut instances: Vec<_> =
            places.filter(|place| place.object == object).map(|place| place.instance).collect();
        instances.sort_unstable();
        instances
    }
}
