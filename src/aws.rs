//! What an AWS service has against a request. All of them refuse in one form.

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The service's message; where it gave no answer, what came between.
    pub(crate) reason: String,
    /// The service's own word for it, as `ThrottlingException`; `None` when it didn't answer.
    pub(crate) code: Option<String>,
}

impl Refusal {
    pub(crate) fn of<E, R>(error: &SdkError<E, R>) -> Refusal
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let service = error.as_service_error();
        let reason = match service.and_then(ProvideErrorMetadata::message) {
            Some(message) => message.to_owned(),
            None => DisplayErrorContext(error).to_string(),
        };
        Refusal { reason, code: service.and_then(ProvideErrorMetadata::code).map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_sdk_sqs::operation::delete_message::DeleteMessageError;

    use super::*;

    #[test]
    fn a_refusal_is_in_the_services_words_and_silence_in_ours() {
        let said = ErrorMetadata::builder().code("AccessDenied").message("not this queue").build();
        let refused = SdkError::service_error(DeleteMessageError::generic(said), ());
        let Refusal { reason, code } = Refusal::of(&refused);
        assert_eq!((reason.as_str(), code.as_deref()), ("not this queue", Some("AccessDenied")));

        let silent: SdkError<DeleteMessageError, ()> = SdkError::timeout_error("nothing for ten seconds");
        let Refusal { reason, code } = Refusal::of(&silent);
        assert!(reason.contains("nothing for ten seconds"), "{reason}");
        assert_eq!(code, None);
    }
}
