//! Objects 3, 6, 16 and 19: the device itself, where it is, and data of its applications.

use super::{Head, V1_0, V1_2, order, row};
use crate::model::{Access, ObjectDefinition};
use crate::value::Kind;
use Access::{Read, ReadWrite};
use Kind::{Float, Integer, ObjectLink, Opaque, String, Time};

/// OMA 3.xml, version 1.2.
pub(super) static DEVICE: ObjectDefinition = Head::one(3, "Device", V1_2).required().with(
    const {
&[
        row(0, "Manufacturer", String, Read).about("Who made the device."),
        row(1, "Model Number", String, Read).about("What the maker calls the model."),
        row(2, "Serial Number", String, Read).about("What tells it from others of its model."),
        row(3, "Firmware Version", String, Read).about("The version of the firmware that runs."),
        order(4, "Reboot").required().about("Restarts the device."),
        order(5, "Factory Reset").about("Takes the device back to its first state."),
        row(6, "Available Power Sources", Integer, Read)
            .several()
            .spanning(0, 7)
            .about("0 DC, 1 internal battery, 2 external battery, 3 fuel cell, 4 Ethernet, 5 USB, 6 mains, 7 sun."),
        row(7, "Power Source Voltage", Integer, Read)
            .several()
            .unit("mV")
            .about("The voltage of each power source."),
        row(8, "Power Source Current", Integer, Read)
            .several()
            .unit("mA")
            .about("The current of each power source."),
        row(9, "Battery Level", Integer, Read).spanning(0, 100).unit("/100").about("How full the battery is."),
        row(10, "Memory Free", Integer, Read).unit("kB").about("Storage left for data and software."),
        row(11, "Error Code", Integer, Read)
            .several()
            .required()
            .spanning(0, 32)
            .about("0 no error, 1 low battery, 2 external supply off, 3 GPS, 4 low signal, 5 out of memory, 6 SMS, 7 IP, 8 peripheral."),
        order(12, "Reset Error Code").about("Takes all error codes away."),
        row(13, "Current Time", Time, ReadWrite).about("The device's clock."),
        row(14, "UTC Offset", String, ReadWrite).about("The offset of local time as in ISO 8601."),
        row(15, "Timezone", String, ReadWrite).about("The name of the time zone."),
        row(16, "Supported Binding and Modes", String, Read)
            .required()
            .about("The transports that the device can use."),
        row(17, "Device Type", String, Read).about("What kind of device it is."),
        row(18, "Hardware Version", String, Read).about("The version of the hardware."),
        row(19, "Software Version", String, Read).about("The version of the software above the firmware."),
        row(20, "Battery Status", Integer, Read)
            .spanning(0, 6)
            .about("0 normal, 1 charging, 2 charged, 3 damaged, 4 low, 5 not installed, 6 unknown."),
        row(21, "Memory Total", Integer, Read).unit("kB").about("Storage for data and software."),
        row(22, "ExtDevInfo", ObjectLink, Read).several().about("Instances with more about the device."),
    ]
},
    "What the device is, and its power, clock and errors.",
);

/// OMA 6.xml, version 1.0.
pub(super) static LOCATION: ObjectDefinition = Head::one(6, "Location", V1_0).with(
    const {
        &[
            row(0, "Latitude", Float, Read).required().unit("lat").about("North of the equator, in degrees."),
            row(1, "Longitude", Float, Read).required().unit("lon").about("East of Greenwich, in degrees."),
            row(2, "Altitude", Float, Read).unit("m").about("Above the sea."),
            row(3, "Radius", Float, Read).unit("m").about("How far off the position may be."),
            row(4, "Velocity", Opaque, Read).about("Speed and direction as 3GPP TS 23.032 writes them."),
            row(5, "Timestamp", Time, Read).required().about("When the position was taken."),
            row(6, "Speed", Float, Read).unit("m/s").about("How fast the device moves."),
        ]
    },
    "Where the device is.",
);

/// OMA 16.xml, version 1.0.
pub(super) static PORTFOLIO: ObjectDefinition = Head::many(16, "Portfolio", V1_0).with(
    const {
        &[
            row(0, "Identity", String, ReadWrite)
                .several()
                .required()
                .about("Names: 0 host device, 1 its maker, 2 its model, 3 its software version."),
            order(1, "GetAuthData").about("Makes the authentication data of resource 2."),
            row(2, "AuthData", Opaque, Read).several().about("Authentication data."),
            row(3, "AuthStatus", Integer, Read)
                .several()
                .spanning(0, 2)
                .about("Whether authentication data is 0 absent, 1 being made, 2 there."),
        ]
    },
    "Identities that belong to the device's owner.",
);

/// OMA 19.xml, version 1.0.
pub(super) static APPLICATION_DATA: ObjectDefinition = Head::many(19, "BinaryAppDataContainer", V1_0).with(
    const {
        &[
            row(0, "Data", Opaque, ReadWrite).several().required().about("The data of the application."),
            row(1, "Data Priority", Integer, ReadWrite)
                .spanning(0, 255)
                .about("0 at once, 1 when convenient, 2 with the next message."),
            row(2, "Data Creation Time", Time, ReadWrite).about("When the data was made."),
            row(3, "Data Description", String, ReadWrite).up_to(32).about("What the data is."),
            row(4, "Data Format", String, ReadWrite).up_to(32).about("How the data is written."),
            row(5, "App ID", Integer, ReadWrite)
                .spanning(0, 65_535)
                .about("Which application it belongs to."),
        ]
    },
    "Data that an application behind the device sends or gets.",
);
