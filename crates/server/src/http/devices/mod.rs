//! `/api/v1/devices`

pub mod add;
pub mod list;
pub mod remove;
pub mod set_product;
pub mod show;

use crate::api;
use crate::app::App;
use crate::store::devices::Device;

/// A device as it is shown, with the product that it is.
fn shown(app: &App, device: Device) -> api::Device {
    let product = app.product_of(&device);
    api::Device::new(device, product.as_deref())
}
