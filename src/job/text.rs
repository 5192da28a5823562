//! Inputs, outputs and contents: a text, or the same in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Checked, refuse};

/// A text and its twins; at most one of them is given.
pub(super) struct Text<'a> {
    /// What stands before the name in the field's path.
    pub(super) at: &'a str,
    pub(super) name: &'a str,
    pub(super) plain: Option<String>,
    pub(super) base64: Option<String>,
    pub(super) s3: Option<String>,
}

impl Text<'_> {
    /// The field that is given, if one is.
    pub(super) fn given(&self) -> Option<String> {
        let Text { at, name, .. } = self;
        match (&self.plain, &self.base64, &self.s3) {
            (Some(_), _, _) => Some(format!("{at}{name}")),
            (_, Some(_), _) => Some(format!("{at}{name}_base64")),
            (_, _, Some(_)) => Some(format!("{at}{name}_s3_uri")),
            _ => None,
        }
    }

    /// # Errors
    /// A [`Rejection`](super::Rejection) that names the field.
    pub(super) fn bytes(self) -> Checked<Option<Bytes>> {
        let Text { at, name, .. } = self;
        if self.s3.is_some() {
            return refuse(format!("{at}{name}_s3_uri"), "is not supported by this version of Caisson");
        }
        match (self.plain, self.base64) {
            (Some(_), Some(_)) => {
                refuse(format!("{at}{name}_base64"), format!("cannot stand beside {name}; give one of the two"))
            }
            (Some(plain), None) => Ok(Some(plain.into())),
            (None, Some(text)) => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) => refuse(format!("{at}{name}_base64"), base64_reason(&error)),
            },
            (None, None) => Ok(None),
        }
    }
}

fn base64_reason(error: &base64::DecodeError) -> String {
    use base64::DecodeError::{InvalidByte, InvalidLastSymbol, InvalidLength, InvalidPadding};
    match error {
        InvalidByte(at, byte) => {
            format!("is not base64 (standard alphabet): '{}' at byte {at}", char::from(*byte).escape_default())
        }
        InvalidPadding => "is not base64: its padding is wrong".to_owned(),
        InvalidLength(length) => format!("is not base64: a text of {length} letters cannot be"),
        InvalidLastSymbol(..) => "is not base64: its last letter has bits too many".to_owned(),
    }
}
