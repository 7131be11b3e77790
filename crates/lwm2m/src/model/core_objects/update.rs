//! Objects 5, 9 and 33629: new firmware and software.

use super::{Head, V1_0, V1_1, V1_2, order, row};
use crate::model::{Access, ObjectDefinition, ResourceDefinition};
use crate::value::Kind;
use Access::{Read, ReadWrite, Write};
use Kind::{Boolean, Integer, ObjectLink, Opaque, String, Time, Unsigned};

const PACKAGE: ResourceDefinition =
    row(0, "Package", Opaque, Write).required().about("The image itself; a single zero byte resets.");
const PACKAGE_URI: ResourceDefinition = row(1, "Package URI", String, ReadWrite)
    .required()
    .up_to(255)
    .about("Where to download the image; the empty text resets.");
const UPDATE: ResourceDefinition =
    order(2, "Update").required().about("Installs an image that is downloaded.");
const STATE: ResourceDefinition = row(3, "State", Integer, Read)
    .required()
    .spanning(0, 3)
    .about("0 idle, 1 downloading, 2 downloaded, 3 updating.");
const NAME: ResourceDefinition = row(6, "PkgName", String, Read).up_to(255).about("The name of the image.");
const VERSION: ResourceDefinition =
    row(7, "PkgVersion", String, Read).up_to(255).about("The version of the image.");
const PROTOCOLS: ResourceDefinition = row(8, "Firmware Update Protocol Support", Integer, Read)
    .several()
    .spanning(0, 5)
    .about("0 CoAP, 1 CoAPS, 2 HTTP, 3 HTTPS, 4 CoAP over TCP, 5 CoAP over TLS.");
const DELIVERY: ResourceDefinition = row(9, "Firmware Update Delivery Method", Integer, Read)
    .required()
    .spanning(0, 2)
    .about("0 the device pulls, 1 the server pushes, 2 both.");
const CANCEL: ResourceDefinition = order(10, "Cancel").about("Gives an update up before it is installed.");
const SEVERITY: ResourceDefinition =
    row(11, "Severity", Integer, ReadWrite).spanning(0, 2).about("0 critical, 1 mandatory, 2 optional.");
const CHANGED: ResourceDefinition =
    row(12, "Last State Change Time", Time, Read).about("When the state changed last.");
const DEFER: ResourceDefinition = row(13, "Maximum Defer Period", Unsigned, ReadWrite)
    .unit("s")
    .about("How long a user may put the installation off; 0 is not at all.");

/// OMA 5.xml, version 1.2.
pub(super) static FIRMWARE: ObjectDefinition = Head::one(5, "Firmware Update", V1_2).with(
    const {
        &[
            PACKAGE,
            PACKAGE_URI,
            UPDATE,
            STATE,
            row(5, "Update Result", Integer, Read)
                .required()
                .spanning(0, 11)
                .about("0 none yet, 1 success, 2 to 9 failures, 10 canceled, 11 deferred."),
            NAME,
            VERSION,
            PROTOCOLS,
            DELIVERY,
            CANCEL,
            SEVERITY,
            CHANGED,
            DEFER,
            row(14, "Automatic Upgrade at Download", Boolean, ReadWrite)
                .about("Whether a downloaded image is installed without an order."),
        ]
    },
    "A new firmware for the whole device.",
);

/// OMA 9.xml, version 1.1.
pub(super) static SOFTWARE: ObjectDefinition = Head::many(9, "Software Management", V1_1).with(
    const {
        &[
            row(0, "PkgName", String, Read).required().up_to(255).about("The name of the package."),
            row(1, "PkgVersion", String, Read).required().up_to(255).about("The version of the package."),
            row(2, "Package", Opaque, Write).about("The package itself."),
            row(3, "Package URI", String, Write).up_to(255).about("Where to download the package."),
            order(4, "Install").required().about("Installs a package that is delivered."),
            row(5, "Checkpoint", ObjectLink, Read).about("Conditions of the installation."),
            order(6, "Uninstall")
                .required()
                .about("Removes the package, or with argument 1 prepares its successor."),
            row(7, "Update State", Integer, Read)
                .required()
                .spanning(0, 4)
                .about("0 initial, 1 downloading, 2 downloaded, 3 delivered, 4 installed."),
            row(8, "Update Supported Objects", Boolean, ReadWrite)
                .about("Whether new objects are registered at once."),
            row(9, "Update Result", Integer, Read)
                .required()
                .spanning(0, 200)
                .about("0 to 3 progress, 50 to 59 failures."),
            order(10, "Activate").required().about("Makes the software usable."),
            order(11, "Deactivate").required().about("Makes the software unusable."),
            row(12, "Activation State", Boolean, Read).required().about("Whether the software is usable."),
            row(13, "Package Settings", ObjectLink, ReadWrite).about("The object with its settings."),
            row(14, "User Name", String, Write).up_to(255).about("For the download."),
            row(15, "Password", String, Write).up_to(255).about("For the download."),
            row(16, "Status Reason", String, Read).about("How the last action went."),
            row(17, "Software Component Link", ObjectLink, Read).several().about("The parts of the package."),
            row(18, "Software Component tree length", Integer, Read)
                .spanning(0, 255)
                .about("How many parts there are."),
            order(19, "Start").required().about("Starts the software."),
            order(20, "Stop").required().about("Stops the software."),
            row(21, "Operational State", Unsigned, Read)
                .required()
                .spanning(0, 15)
                .about("0 starting, 1 running, 2 stopping, 3 stopped, 4 failed, 5 defunct."),
            order(22, "Purge").about("Deletes the data of the software."),
        ]
    },
    "Software beside the firmware, one instance for each package.",
);

/// Advanced Firmware Update, version 1.0: object 5 for a device of several parts, one instance for each.
pub(super) static ADVANCED_FIRMWARE: ObjectDefinition = Head::many(33_629, "Advanced Firmware Update", V1_0)
    .with(
        const {
            &[
                PACKAGE,
                PACKAGE_URI,
                UPDATE,
                STATE,
                row(5, "Update Result", Integer, Read).required().spanning(0, 13).about(
                    "As in object 5; 12 another part's state forbids it, 13 another part must come first.",
                ),
                NAME,
                VERSION,
                PROTOCOLS,
                DELIVERY,
                CANCEL,
                SEVERITY,
                CHANGED,
                DEFER,
                row(14, "Component Name", String, Read).about("Which part of the device it is."),
                row(15, "Current Version", String, Read).about("The version that the part runs."),
                row(16, "Linked Instances", ObjectLink, Read)
                    .several()
                    .about("Parts that are updated together with this one."),
                row(17, "Conflicting Instances", ObjectLink, Read)
                    .several()
                    .about("Parts whose state forbids the update, or that must come first."),
            ]
        },
        "New firmware for a device of several parts.",
    );
