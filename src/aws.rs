//! What an AWS service has against a request. All of them refuse in one form.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The service's message; where it gave no answer, what came between. One line.
    pub(crate) reason: String,
    /// The service's own word for it, as `ThrottlingException`; `None` when it didn't answer.
    pub(crate) code: Option<String>,
}

impl Refusal {
    pub(crate) fn of<E>(error: &SdkError<E>) -> Refusal
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let service = error.as_service_error();
        let message = service.and_then(ProvideErrorMetadata::message).filter(|message| !message.is_empty());
        let status = error.raw_response().map(|response| response.status().as_u16());
        let reason = match (message, status) {
            (Some(message), _) => message.to_owned(),
            (None, Some(status)) if service.is_some() => format!("HTTP {status} without a message"),
            (None, Some(status)) => format!("HTTP {status}: {}", in_one_line(error)),
            (None, None) => in_one_line(error),
        };
        Refusal { reason, code: service.and_then(ProvideErrorMetadata::code).map(str::to_owned) }
    }
}

/// An error with what it comes from, the cause last: the SDK's errors say nothing by themselves.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        // Some repeat what they come from.
        if !line.contains(&words) {
            let colon = if line.is_empty() { "" } else { ": " };
            line.push_str(colon);
            line.push_str(&words);
        }
        next = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_sqs::Client;
    use aws_sdk_sqs::config::retry::RetryConfig;
    use aws_sdk_sqs::config::timeout::TimeoutConfig;
    use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
    use aws_sdk_sqs::operation::delete_message::DeleteMessageError;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What becomes of a request that is sent to `endpoint` and may take a second.
    async fn refused(endpoint: String) -> Refusal {
        let second = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(1)).build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(second)
            .endpoint_url(endpoint)
            .build();
        let request = Client::from_conf(config).delete_message().queue_url("http://queue").receipt_handle("handle");
        let error: SdkError<DeleteMessageError> = Box::pin(request.send()).await.expect_err("nobody is there");
        let refusal = Refusal::of(&error);
        assert!(refusal.reason.len() < 200 && !refusal.reason.contains(['\n', '{']), "{}", refusal.reason);
        refusal
    }

    /// Answers one request with these words, or never.
    async fn service(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("somebody comes");
            match answer {
                Some(answer) => {
                    let _ = connection.read(&mut [0; 16_384]).await;
                    let _ = connection.write_all(answer.as_bytes()).await;
                }
                None => std::future::pending().await,
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_refusal_is_in_the_services_words() {
        let Refusal { reason, code } = refused(
            service(Some(
                "HTTP/1.1 403 Forbidden\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 62\r\n\r\n\
                 {\"__type\":\"AccessDeniedException\",\"message\":\"not this queue\"}\n",
            ))
            .await,
        )
        .await;
        assert_eq!((reason.as_str(), code.as_deref()), ("not this queue", Some("AccessDeniedException")));
    }

    #[tokio::test]
    async fn a_refusal_without_words_says_its_status() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        let Refusal { reason, code } = refused(service(Some(answer)).await).await;
        assert_eq!((reason.as_str(), code), ("HTTP 503 without a message", None));
    }

    #[tokio::test]
    async fn an_answer_that_is_none_says_its_status_and_what_is_wrong_with_it() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 100\r\n\r\n{";
        let Refusal { reason, .. } = refused(service(Some(answer)).await).await;
        assert!(reason.contains("response") || reason.contains("end of file"), "{reason}");
    }

    #[tokio::test]
    async fn silence_is_in_our_words_in_one_line() {
        let Refusal { reason, code } = refused("http://127.0.0.1:1".to_owned()).await;
        assert!(reason.contains("Connection refused"), "{reason}");
        assert_eq!(code, None);
        let Refusal { reason, .. } = refused(service(None).await).await;
        assert!(reason.contains("occurred after 1s"), "{reason}");
        let Refusal { reason, .. } = refused("http://nowhere.invalid".to_owned()).await;
        assert!(reason.contains("dns error"), "{reason}");
    }
}
