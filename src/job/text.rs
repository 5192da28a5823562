//! Inputs, outputs and contents: a text, the same in base64, or where in S3 it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::content::{Content, Reference, S3Object};
use super::{Checked, refuse};
use crate::sha256::Sha256;

/// A text and its twins; at most one of them is given.
pub(super) struct Text<'a> {
    /// What stands before the name in the field's path.
    pub(super) at: &'a str,
    pub(super) name: &'a str,
    pub(super) plain: Option<String>,
    pub(super) base64: Option<String>,
    pub(super) s3_uri: Option<String>,
    pub(super) sha256: Option<String>,
}

impl Text<'_> {
    /// The field that is given, if one is.
    pub(super) fn given(&self) -> Option<String> {
        let Text { at, name, .. } = self;
        match (&self.plain, &self.base64, &self.s3_uri, &self.sha256) {
            (Some(_), ..) => Some(format!("{at}{name}")),
            (_, Some(_), ..) => Some(format!("{at}{name}_base64")),
            (_, _, Some(_), _) => Some(format!("{at}{name}_s3_uri")),
            (.., Some(_)) => Some(format!("{at}{name}_sha256")),
            _ => None,
        }
    }

    /// # Errors
    /// A [`Rejection`](super::Rejection) that names the field.
    pub(super) fn content(self) -> Checked<Option<Content>> {
        let Text { at, name, .. } = self;
        let given = [(&self.plain, ""), (&self.base64, "_base64"), (&self.s3_uri, "_s3_uri")];
        let given: Vec<&str> = given.into_iter().filter(|(value, _)| value.is_some()).map(|(_, twin)| twin).collect();
        if let [first, second, ..] = given[..] {
            let reason = format!("cannot stand beside {name}{first}; give one of the two");
            return refuse(format!("{at}{name}{second}"), reason);
        }
        match (self.s3_uri, self.sha256) {
            (Some(uri), Some(sha256)) => return reference(at, name, &uri, &sha256).map(Content::Stored).map(Some),
            (Some(_), None) => {
                return refuse(format!("{at}{name}_sha256"), format!("is missing; {name}_s3_uri needs it"));
            }
            (None, Some(_)) => {
                let reason = format!("cannot stand without {name}_s3_uri, whose data it is the hash of");
                return refuse(format!("{at}{name}_sha256"), reason);
            }
            (None, None) => {}
        }
        match (self.plain, self.base64) {
            (Some(plain), _) => Ok(Some(Content::Here(plain.into()))),
            (None, Some(text)) => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Some(Content::Here(bytes.into()))),
                Err(error) => refuse(format!("{at}{name}_base64"), base64_reason(&error)),
            },
            (None, None) => Ok(None),
        }
    }
}

fn reference(at: &str, name: &str, uri: &str, sha256: &str) -> Checked<Reference> {
    let field = format!("{at}{name}");
    let object = S3Object::from_uri(uri).or_else(|reason| refuse(format!("{field}_s3_uri"), reason))?;
    match Sha256::from_hex(sha256) {
        Some(sha256) => Ok(Reference { field, object, sha256 }),
        None => refuse(format!("{field}_sha256"), "is not a SHA-256: 64 hexadecimal digits"),
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
