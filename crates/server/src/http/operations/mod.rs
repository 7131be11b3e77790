//! `/api/v1/devices/{endpoint}/operations` and `…/values`

pub mod cancel;
pub mod list;
pub mod queue;
pub mod show;
mod shown;
pub mod values;

use uuid::Uuid;

use super::problem::Problem;

fn unknown_device(endpoint: &str) -> Problem {
    Problem::not_found(format!("there is no device with the endpoint name {endpoint}"))
        .remedy("`updraft device list` shows all devices.")
}

fn unknown_operation(endpoint: &str, id: &str) -> Problem {
    Problem::not_found(format!("there is no operation {id} of a device {endpoint}"))
        .remedy("`updraft device operations ENDPOINT` shows those of a device.")
}

fn parse_id(endpoint: &str, id: &str) -> Result<Uuid, Problem> {
    id.parse().map_err(|_| unknown_operation(endpoint, id))
}
