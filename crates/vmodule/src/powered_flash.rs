//! Flash whose power a module can switch.

use firmware::{EmulatedFlash, Flash, Medium, PowerCut};

use crate::flash::FileFlash;

/// Flash that can lose its power in the middle of an operation.
pub trait PoweredFlash: Flash {
    /// Whether power has not failed.
    fn is_powered(&self) -> bool;

    /// Lets power fail in a later operation.
    fn cut_power(&mut self, cut: PowerCut);

    /// Power is back, and no cut is planned.
    fn restore_power(&mut self);
}

impl<M: Medium> PoweredFlash for EmulatedFlash<M> {
    fn is_powered(&self) -> bool {
        EmulatedFlash::is_powered(self)
    }

    fn cut_power(&mut self, cut: PowerCut) {
        EmulatedFlash::cut_power(self, cut);
    }

    fn restore_power(&mut self) {
        EmulatedFlash::restore_power(self);
    }
}

impl PoweredFlash for FileFlash {
    fn is_powered(&self) -> bool {
        FileFlash::is_powered(self)
    }

    fn cut_power(&mut self, cut: PowerCut) {
        FileFlash::cut_power(self, cut);
    }

    fn restore_power(&mut self) {
        FileFlash::restore_power(self);
    }
}
