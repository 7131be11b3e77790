//! Objects 0, 1, 2 and 21: who may talk to a device, and how.

use super::{Head, V1_1, V1_2, order, row};
use crate::model::{Access, ObjectDefinition};
use crate::value::Kind;
use Access::{Bootstrap, Read, ReadWrite};
use Kind::{Boolean, Integer, ObjectLink, Opaque, String, Time, Unsigned};

/// OMA 0.xml, version 1.2. Closed to this server: only a bootstrap server writes it.
pub(super) static SECURITY: ObjectDefinition = Head::many(0, "LwM2M Security", V1_2).required().with(
    const {
        &[
            row(0, "LwM2M Server URI", String, Bootstrap)
                .required()
                .up_to(255)
                .about("Where the server of this account is."),
            row(1, "Bootstrap-Server", Boolean, Bootstrap)
                .required()
                .about("Whether the account is that of the bootstrap server."),
            row(2, "Security Mode", Integer, Bootstrap)
                .required()
                .spanning(0, 4)
                .about("0 pre-shared key, 1 raw public key, 2 certificate, 3 none, 4 certificate with EST."),
            row(3, "Public Key or Identity", Opaque, Bootstrap)
                .required()
                .about("The identity of the key, or the certificate of the device."),
            row(4, "Server Public Key", Opaque, Bootstrap)
                .required()
                .about("What the server proves itself with."),
            row(5, "Secret Key", Opaque, Bootstrap).required().about("The key, or the private key."),
            row(6, "SMS Security Mode", Integer, Bootstrap).spanning(0, 255).about("How SMS are protected."),
            row(7, "SMS Binding Key Parameters", Opaque, Bootstrap).about("Parameters of the SMS keys."),
            row(8, "SMS Binding Secret Key(s)", Opaque, Bootstrap).about("The SMS keys."),
            row(9, "LwM2M Server SMS Number", String, Bootstrap).about("The server's telephone number."),
            row(10, "Short Server ID", Integer, Bootstrap)
                .spanning(1, 65_534)
                .about("Ties the account to an instance of object 1."),
            row(11, "Client Hold Off Time", Integer, Bootstrap)
                .unit("s")
                .about("How long the device waits before it asks to be bootstrapped."),
            row(12, "Bootstrap-Server Account Timeout", Integer, Bootstrap)
                .unit("s")
                .about("After which time the bootstrap account is removed; 0 is never."),
            row(13, "Matching Type", Unsigned, Bootstrap)
                .spanning(0, 3)
                .about("How the server's certificate is compared."),
            row(14, "SNI", String, Bootstrap).about("The server name to present."),
            row(15, "Certificate Usage", Unsigned, Bootstrap)
                .spanning(0, 3)
                .about("Which part of the chain resource 4 pins."),
            row(16, "DTLS/TLS Ciphersuite", Unsigned, Bootstrap).several().about("The suites to offer."),
            row(17, "OSCORE Security Mode", ObjectLink, Bootstrap).about("The instance of object 21 to use."),
            row(18, "Groups To Use by Client", Unsigned, Bootstrap)
                .several()
                .spanning(0, 65_535)
                .about("TLS groups for key agreement."),
            row(19, "Signature Algorithms Supported by Server", Unsigned, Bootstrap)
                .several()
                .spanning(0, 65_535)
                .about("What the server can verify."),
            row(20, "Signature Algorithms To Use by Client", Unsigned, Bootstrap)
                .several()
                .spanning(0, 65_535)
                .about("What the device may sign with."),
            row(21, "Signature Algorithm Certs Supported by Server", Unsigned, Bootstrap)
                .several()
                .spanning(0, 65_535)
                .about("Which signatures in certificates the server can verify."),
            row(22, "TLS 1.3 Features To Use by Client", Unsigned, Bootstrap)
                .spanning(0, 65_535)
                .about("Bits of TLS 1.3 features."),
            row(23, "TLS Extensions Supported by Server", Unsigned, Bootstrap)
                .spanning(0, 65_535)
                .about("Bits of TLS extensions that the server knows."),
            row(24, "TLS Extensions To Use by Client", Unsigned, Bootstrap)
                .spanning(0, 65_535)
                .about("Bits of TLS extensions that the device offers."),
            row(25, "Secondary LwM2M Server URI", String, Bootstrap)
                .several()
                .up_to(255)
                .about("Where else the server is."),
            row(26, "MQTT Server", ObjectLink, Bootstrap).about("The MQTT server of the account."),
            row(27, "LwM2M COSE Security", ObjectLink, Bootstrap)
                .several()
                .about("Keys for protection above the transport."),
            row(28, "RDS Destination Port", Integer, Bootstrap)
                .spanning(0, 15)
                .about("The server's port of the reliable data service."),
            row(29, "RDS Source Port", Integer, Bootstrap)
                .spanning(0, 15)
                .about("The device's port of the reliable data service."),
            row(30, "RDS Application ID", String, Bootstrap)
                .about("The application of the reliable data service."),
        ]
    },
    "How the device reaches and proves itself to a server.",
);

/// OMA 1.xml, version 1.2; the lifetime keeps the signed type of 1.0 and 1.1.
pub(super) static SERVER: ObjectDefinition = Head::many(1, "LwM2M Server", V1_2).required().with(
    const {
        &[
            row(0, "Short Server ID", Integer, Read)
                .required()
                .spanning(1, 65_534)
                .about("Ties the instance to an account of object 0."),
            row(1, "Lifetime", Integer, ReadWrite)
                .required()
                .spanning(0, u32::MAX as i64)
                .unit("s")
                .about("How long a registration lives; 0 is without end."),
            row(2, "Default Minimum Period", Integer, ReadWrite)
                .unit("s")
                .about("The shortest time between two notifications, unless an attribute says otherwise."),
            row(3, "Default Maximum Period", Integer, ReadWrite)
                .unit("s")
                .about("The longest time between two notifications, unless an attribute says otherwise."),
            order(4, "Disable").about("De-registers and stays silent for the time of resource 5."),
            row(5, "Disable Timeout", Integer, ReadWrite)
                .unit("s")
                .about("How long Disable lasts; one day if it is not set."),
            row(6, "Notification Storing When Disabled or Offline", Boolean, ReadWrite)
                .required()
                .about("Whether notifications that cannot be sent are kept."),
            row(7, "Binding", String, ReadWrite).required().about("The transports in use, such as U or UQ."),
            order(8, "Registration Update Trigger").required().about("Asks for an Update at once."),
            order(9, "Bootstrap-Request Trigger").about("Asks for a bootstrap at once."),
            row(10, "APN Link", ObjectLink, ReadWrite).about("The instance of object 11 to connect with."),
            row(11, "TLS-DTLS Alert Code", Unsigned, Read)
                .spanning(0, 255)
                .about("The last alert that this server sent."),
            row(12, "Last Bootstrapped", Time, Read)
                .about("When the bootstrap server wrote this account last."),
            row(13, "Registration Priority Order", Unsigned, Read)
                .about("The place of this server in the order of registrations."),
            row(14, "Initial Registration Delay Timer", Unsigned, ReadWrite)
                .unit("s")
                .about("How long to wait after the registration before this one."),
            row(15, "Registration Failure Block", Boolean, Read)
                .about("Whether a failure here stops the registrations behind it."),
            row(16, "Bootstrap on Registration Failure", Boolean, Read)
                .about("Whether a failure here leads to a bootstrap."),
            row(17, "Communication Retry Count", Unsigned, ReadWrite).about("Attempts in one sequence."),
            row(18, "Communication Retry Timer", Unsigned, ReadWrite)
                .unit("s")
                .about("The wait after the first attempt; it doubles each time."),
            row(19, "Communication Sequence Delay Timer", Unsigned, ReadWrite)
                .unit("s")
                .about("The wait between two sequences of attempts."),
            row(20, "Communication Sequence Retry Count", Unsigned, ReadWrite)
                .about("Sequences after which the registration has failed."),
            row(21, "Trigger", Boolean, ReadWrite).about("Whether the device can be woken by SMS."),
            row(22, "Preferred Transport", String, ReadWrite)
                .up_to(1)
                .about("The letter of the transport to prefer."),
            row(23, "Mute Send", Boolean, ReadWrite).about("Whether the device must not send data unasked."),
            row(24, "Alternate APN Links", ObjectLink, ReadWrite)
                .several()
                .about("Further instances of object 11 to try."),
            row(25, "Supported Server Versions", String, ReadWrite)
                .several()
                .about("The versions of LwM2M that the server speaks."),
            row(26, "Default Notification Mode", Integer, ReadWrite)
                .spanning(0, 1)
                .about("0 notifications without, 1 with acknowledgement."),
            row(27, "Profile ID Hash Algorithm", Unsigned, ReadWrite)
                .spanning(0, 255)
                .about("The hash that makes a profile id."),
        ]
    },
    "How the device behaves towards a server.",
);

/// OMA 2.xml, version 1.1.
pub(super) static ACCESS_CONTROL: ObjectDefinition = Head::many(2, "LwM2M Access Control", V1_1).with(
    const {
        &[
            row(0, "Object ID", Integer, Read)
                .required()
                .spanning(1, 65_534)
                .about("The object that the rule is about."),
            row(1, "Object Instance ID", Integer, Read)
                .required()
                .spanning(0, 65_535)
                .about("The instance that the rule is about."),
            row(2, "ACL", Integer, ReadWrite)
                .several()
                .spanning(0, 31)
                .about("Rights by server: bits 0 read, 1 write, 2 execute, 3 delete, 4 create."),
            row(3, "Access Control Owner", Integer, ReadWrite)
                .required()
                .spanning(0, 65_535)
                .about("The server that may change the rule."),
        ]
    },
    "Which server may do what, where a device has several.",
);

/// OMA 21.xml, version 1.1. Closed to this server, as object 0 is.
pub(super) static OSCORE: ObjectDefinition = Head::many(21, "LwM2M OSCORE", V1_1).with(
    const {
        &[
            row(0, "OSCORE Master Secret", String, Bootstrap).required().about("The pre-shared key."),
            row(1, "OSCORE Sender ID", String, Bootstrap)
                .required()
                .about("The device's name in the context."),
            row(2, "OSCORE Recipient ID", String, Bootstrap)
                .required()
                .about("The server's name in the context."),
            row(3, "OSCORE AEAD Algorithm", Integer, Bootstrap).about("The COSE number of the cipher."),
            row(4, "OSCORE HMAC Algorithm", Integer, Bootstrap).about("The COSE number of the hash."),
            row(5, "OSCORE Master Salt", String, Bootstrap).about("The salt of the key derivation."),
            row(6, "OSCORE ID Context", String, Bootstrap).about("The context of the key derivation."),
        ]
    },
    "Keys for protection of objects instead of sessions.",
);
