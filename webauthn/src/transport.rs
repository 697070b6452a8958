//! How clients reach an authenticator, and how a credential is named to them.

/// How a client can reach an authenticator (`AuthenticatorTransport`, §5.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Transport {
    /// Bluetooth Smart.
    Ble,
    /// Another device, by a mix of transports: a phone that shows the passkey for a laptop.
    Hybrid,
    /// The device on which the client runs.
    Internal,
    /// Near field communication.
    Nfc,
    /// A smart card with contacts.
    SmartCard,
    /// USB.
    Usb,
}

/// Names a credential to clients (`PublicKeyCredentialDescriptorJSON`, §5.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The credential's id.
    pub id: Vec<u8>,
    /// Hints for finding its authenticator, as they were when it was registered.
    pub transports: Vec<Transport>,
}
