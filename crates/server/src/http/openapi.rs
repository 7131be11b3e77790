//! The description of the API, made from the handlers themselves.

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use super::{
    Context, bootstrap, devices, files, health, object_models, operations, packages, products, signing_keys,
    upgrades,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Updraft",
        description = "Devices, packages and firmware upgrades.\n\nEvery error is a problem (RFC 9457) with \
                       what is wrong and what to do about it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "devices", description = "Who may connect, and what is known of them."),
        (name = "bootstrap", description = "What devices are given by the bootstrap server."),
        (name = "operations", description = "What devices are asked to do, and the values they tell."),
        (name = "object models", description = "Which objects and resources there are, and what can be done with \
         them."),
        (name = "products", description = "Kinds of devices: their profiles, and what these decide."),
        (name = "signing keys", description = "Public keys with which packages are verified."),
        (name = "packages", description = "Firmware: uploaded, vouched for, approved."),
        (name = "upgrades", description = "One package for one device, from the offer to the proof."),
        (name = "files", description = "Downloads over HTTP and HTTPS."),
        (name = "health", description = "For monitoring.")
    )
)]
struct Description;

/// All routes with their description.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(devices::add::add, devices::list::list))
        .routes(routes!(devices::show::show, devices::remove::remove))
        .routes(routes!(devices::set_product::set_product))
        .routes(routes!(bootstrap::put::put, bootstrap::list::list, bootstrap::remove::remove))
        .routes(routes!(bootstrap::show::show, bootstrap::trigger::trigger))
        .routes(routes!(bootstrap::allow::allow, bootstrap::forbid::forbid))
        .routes(routes!(operations::queue::queue, operations::list::list))
        .routes(routes!(operations::show::show, operations::cancel::cancel))
        .routes(routes!(operations::values::values))
        .routes(routes!(object_models::add::add, object_models::list::list))
        .routes(routes!(object_models::show::show))
        .routes(routes!(object_models::remove::remove))
        .routes(routes!(object_models::reload::reload))
        .routes(routes!(products::import::import, products::list::list))
        .routes(routes!(products::show::show, products::set::set, products::remove::remove))
        .routes(routes!(products::profile::profile))
        .routes(routes!(products::add_capability::add_capability))
        .routes(routes!(signing_keys::add::add, signing_keys::list::list))
        .routes(routes!(signing_keys::show::show))
        .routes(routes!(signing_keys::revoke::revoke))
        .routes(routes!(packages::upload::upload, packages::list::list))
        .routes(routes!(packages::show::show, packages::change::change, packages::remove::remove))
        .routes(routes!(packages::approve::approve))
        .routes(routes!(packages::withdraw::withdraw))
        .routes(routes!(packages::file::file))
        .routes(routes!(upgrades::start::start, upgrades::list::list))
        .routes(routes!(upgrades::show::show))
        .routes(routes!(upgrades::cancel::cancel))
        .routes(routes!(upgrades::events::events))
        .routes(routes!(files::certificate::show))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// The description as JSON and as a page.
pub(super) fn pages(document: utoipa::openapi::OpenApi) -> Router<Context> {
    SwaggerUi::new("/docs").url("/api/v1/openapi.json", document).into()
}

/// The description as it is committed: `crates/server/openapi.json`.
pub fn document() -> String {
    let mut text = routes().get_openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
