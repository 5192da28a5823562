//! Buckets of the local S3, each made for one test.

use aws_sdk_s3::Client;
use caisson::sha256::Sha256;
use serde_json::{Value, json};

use super::{unique, within};

/// A bucket of the test's own.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Bucket {
    pub(crate) async fn create(prefix: &str) -> Bucket {
        assert!(
            std::env::var_os("CAISSON_TEST_SQS_URL").is_some(),
            "this test needs the local SQS and S3; run it by `just test`, or under scripts/sqs.sh"
        );
        let config = aws_config::load_from_env().await;
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let bucket = Bucket { client: Client::from_conf(config), name: unique(prefix) };
        let creating = bucket.client.create_bucket().bucket(&bucket.name).send();
        within("create a bucket", creating).await.expect("a bucket can be created");
        bucket
    }

    pub(crate) async fn put(&self, key: &str, body: &[u8]) {
        let putting = self.client.put_object().bucket(&self.name).key(key).body(body.to_vec().into()).send();
        within("put an object", putting).await.expect("an object can be put");
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let getting = async {
            let answer =
                self.client.get_object().bucket(&self.name).key(key).send().await.expect("the object is there");
            answer.body.collect().await.expect("it can be read").to_vec()
        };
        within("get an object", getting).await
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let listing = self.client.list_objects_v2().bucket(&self.name).send();
        let listed = within("list objects", listing).await.expect("objects can be listed").contents;
        listed.unwrap_or_default().into_iter().filter_map(|object| object.key).collect()
    }

    /// The two fields by which a job names this data as its `field`, after it was put there.
    pub(crate) async fn data(&self, field: &str, key: &str, body: &[u8]) -> Value {
        self.put(key, body).await;
        self.named(field, key, body)
    }

    /// The same without putting anything.
    pub(crate) fn named(&self, field: &str, key: &str, body: &[u8]) -> Value {
        json!({
            (format!("{field}_s3_uri")): format!("s3://{}/{key}", self.name),
            (format!("{field}_sha256")): Sha256::of(body).to_string(),
        })
    }

    /// A message that points to an object here.
    pub(crate) fn pointer(&self, key: &str) -> String {
        let place = json!({ "s3BucketName": self.name, "s3Key": key });
        json!(["software.amazon.payloadoffloading.PayloadS3Pointer", place]).to_string()
    }
}
