//! Objects 4, 7, 10 and 11: the device's connection.

use super::{Head, V1_0, V1_1, V1_3, order, row};
use crate::model::{Access, ObjectDefinition};
use crate::value::Kind;
use Access::{Read, ReadWrite};
use Kind::{Boolean, Integer, ObjectLink, Opaque, String, Time, Unsigned};

/// OMA 4.xml, version 1.3.
pub(super) static MONITORING: ObjectDefinition = Head::one(4, "Connectivity Monitoring", V1_3).with(
    const {
        &[
            row(0, "Network Bearer", Integer, Read)
                .required()
                .spanning(0, 50)
                .about("The radio in use: 6 LTE, 7 NB-IoT, 21 WLAN, 41 Ethernet, and others."),
            row(1, "Available Network Bearer", Integer, Read)
                .several()
                .required()
                .spanning(0, 50)
                .about("The radios that could be used."),
            row(2, "Radio Signal Strength", Integer, Read)
                .required()
                .unit("dBm")
                .about("Received power, such as RSRP."),
            row(3, "Link Quality", Integer, Read).about("Quality as the radio measures it, such as RSRQ."),
            row(4, "IP Addresses", String, Read).several().required().about("The device's addresses."),
            row(5, "Router IP Addresses", String, Read).several().about("The next hop of each address."),
            row(6, "Link Utilization", Integer, Read)
                .spanning(0, 100)
                .unit("/100")
                .about("Load of the link."),
            row(7, "APN", String, Read).several().about("Access points that are connected."),
            row(8, "Cell ID", Integer, Read).about("The cell that serves the device."),
            row(9, "SMNC", Integer, Read).spanning(0, 999).about("The network code of the serving cell."),
            row(10, "SMCC", Integer, Read).spanning(0, 999).about("The country code of the serving cell."),
            row(11, "SignalSNR", Integer, Read).unit("dB").about("Signal to noise ratio."),
            row(12, "LAC", Integer, Read).about("The location or tracking area."),
            row(13, "Coverage Enhancement Level", Integer, Read)
                .spanning(0, 4)
                .about("How much the network repeats to reach the device."),
        ]
    },
    "The radio and the addresses that the device uses now.",
);

/// OMA 7.xml, version 1.0.
pub(super) static STATISTICS: ObjectDefinition = Head::one(7, "Connectivity Statistics", V1_0).with(
    const {
        &[
            row(0, "SMS Tx Counter", Integer, Read).about("SMS sent in the period."),
            row(1, "SMS Rx Counter", Integer, Read).about("SMS received in the period."),
            row(2, "Tx Data", Integer, Read).unit("kB").about("Data sent in the period."),
            row(3, "Rx Data", Integer, Read).unit("kB").about("Data received in the period."),
            row(4, "Max Message Size", Integer, Read).unit("B").about("The largest message of the period."),
            row(5, "Average Message Size", Integer, Read)
                .unit("B")
                .about("The average message of the period."),
            order(6, "Start").required().about("Sets the counters to zero and counts."),
            order(7, "Stop").required().about("Stops counting and keeps the counters."),
            row(8, "Collection Period", Integer, ReadWrite)
                .unit("s")
                .about("How long Start counts; 0 is until Stop."),
        ]
    },
    "What went over the device's connection.",
);

/// OMA 10.xml, version 1.1.
pub(super) static CELLULAR: ObjectDefinition = Head::one(10, "Cellular Connectivity", V1_1).with(
    const {
        &[
            row(0, "SMSC address", String, ReadWrite).about("The SMS centre to use."),
            row(1, "Disable radio period", Integer, ReadWrite)
                .spanning(0, 65_535)
                .unit("min")
                .about("Takes the device off the radio for so long."),
            row(2, "Module activation code", String, ReadWrite).about("A code that activates the module."),
            row(3, "Vendor specific extensions", ObjectLink, Read)
                .about("An object of the vendor with more."),
            row(4, "PSM Timer", Integer, ReadWrite)
                .unit("s")
                .about("T3412 extended: time between two wake-ups."),
            row(5, "Active Timer", Integer, ReadWrite).unit("s").about("T3324: how long it stays reachable."),
            row(7, "eDRX parameters for Iu mode", Opaque, ReadWrite).up_to(255).about("Paging in UMTS."),
            row(8, "eDRX parameters for WB-S1 mode", Opaque, ReadWrite).up_to(255).about("Paging in LTE."),
            row(9, "eDRX parameters for NB-S1 mode", Opaque, ReadWrite).up_to(255).about("Paging in NB-IoT."),
            row(10, "eDRX parameters for A/Gb mode", Opaque, ReadWrite).up_to(255).about("Paging in GSM."),
            row(11, "Activated Profile Names", ObjectLink, Read)
                .several()
                .required()
                .about("Instances of object 11 that are connected."),
            row(12, "Supported Power Saving Modes", Unsigned, Read)
                .spanning(0, 255)
                .about("Bits of what the device can: 1 PSM, 2 eDRX."),
            row(13, "Active Power Saving Modes", Unsigned, ReadWrite)
                .spanning(0, 255)
                .about("Bits of what is in use: 1 PSM, 2 eDRX."),
            row(14, "Release Assistance Indication Usage", Unsigned, ReadWrite)
                .spanning(0, 255)
                .about("Bits of when the device tells the network that it is done."),
        ]
    },
    "How the device uses the cellular network.",
);

/// OMA 11.xml, version 1.1.
pub(super) static ACCESS_POINT: ObjectDefinition = Head::many(11, "APN Connection Profile", V1_1).with(
    const {
        &[
            row(0, "Profile name", String, ReadWrite).required().about("What people call the profile."),
            row(1, "APN", String, ReadWrite).about("The access point; empty is the network's default."),
            row(2, "Auto select APN by device", Boolean, ReadWrite)
                .about("Whether the device picks the access point."),
            row(3, "Enable status", Boolean, ReadWrite).about("Whether the profile may be used."),
            row(4, "Authentication Type", Integer, ReadWrite)
                .required()
                .spanning(0, 3)
                .about("0 PAP, 1 CHAP, 2 either, 3 none."),
            row(5, "User Name", String, ReadWrite).about("For authentication."),
            row(6, "Secret", String, ReadWrite).about("For authentication."),
            row(7, "Reconnect Schedule", String, ReadWrite).about("Waits between attempts, with commas."),
            row(8, "Validity (MCC, MNC)", String, ReadWrite)
                .several()
                .about("Networks that the profile is for."),
            row(9, "Connection establishment time", Time, Read).several().about("When it was asked for."),
            row(10, "Connection establishment result", Integer, Read)
                .several()
                .spanning(0, 1)
                .about("0 accepted, 1 rejected."),
            row(11, "Connection establishment reject cause", Integer, Read)
                .several()
                .spanning(0, 111)
                .about("Why the network refused."),
            row(12, "Connection end time", Time, Read).several().about("When it ended."),
            row(13, "TotalBytesSent", Integer, Read).unit("B").about("Sent since the last restart."),
            row(14, "TotalBytesReceived", Integer, Read).unit("B").about("Received since the last restart."),
            row(15, "IP address", String, ReadWrite).several().about("Addresses of the connection."),
            row(16, "Prefix length", String, ReadWrite).several().about("Of each IPv6 address."),
            row(17, "Subnet mask", String, ReadWrite).several().about("Of each IPv4 address."),
            row(18, "Gateway", String, ReadWrite).several().about("The next hop of each address."),
            row(19, "Primary DNS address", String, ReadWrite).several().about("The first name server."),
            row(20, "Secondary DNS address", String, ReadWrite).several().about("The second name server."),
            row(21, "QCI", Integer, Read).spanning(1, 9).about("The class of service in LTE."),
            row(22, "Vendor specific extensions", ObjectLink, Read)
                .about("An object of the vendor with more."),
            row(23, "TotalPacketsSent", Integer, Read).about("Packets since the last restart."),
            row(24, "PDN Type", Integer, ReadWrite)
                .spanning(0, 3)
                .about("0 without IP, 1 IPv4, 2 IPv6, 3 both."),
            row(25, "APN Rate Control", Integer, Read).about("Messages that may be sent in a time unit."),
            row(26, "Serving PLMN Rate control", Unsigned, ReadWrite)
                .about("Messages over the control plane in a time unit."),
            row(27, "Uplink Time Unit", Unsigned, ReadWrite)
                .spanning(0, 4)
                .about("0 no limit, 1 minute, 2 hour, 3 day, 4 week."),
            row(28, "APN Rate Control for Exception Data", Integer, Read)
                .about("Exception messages that may be sent in a time unit."),
            row(29, "APN Exception Data Uplink Time Unit", Unsigned, ReadWrite)
                .spanning(0, 4)
                .about("0 no limit, 1 minute, 2 hour, 3 day, 4 week."),
            row(30, "Supported RAT Types", Unsigned, ReadWrite).several().about("Radios that it is for."),
            row(31, "RDS Application ID", String, ReadWrite)
                .several()
                .about("Applications of the reliable data service."),
            row(32, "RDS Destination Port", Integer, ReadWrite)
                .several()
                .spanning(0, 15)
                .about("Their ports at the server."),
            row(33, "RDS Source Port", Integer, ReadWrite)
                .several()
                .spanning(0, 15)
                .about("Their ports at the device."),
        ]
    },
    "One way into the packet network.",
);
