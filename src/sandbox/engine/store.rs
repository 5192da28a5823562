//! The engine's images and volumes.

use std::collections::HashMap;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters as query;
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Engine, EngineError, Listed, call};

/// What is asked of an image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The id of its content.
    pub(crate) id: String,
    /// The folders it wants volumes for.
    pub(crate) volumes: Vec<String>,
}

impl Engine {
    /// An image by its reference, or `None` when the engine doesn't have it.
    pub(crate) async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        match call("inspect an image", self.patience.call, self.docker.inspect_image(reference)).await {
            Ok(image) => Ok(Some(Image {
                id: image.id.unwrap_or_default(),
                volumes: image.config.and_then(|config| config.volumes).unwrap_or_default(),
            })),
            Err(error) if error.status == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an image of one tar archive (`docker import`), with these labels.
    pub(crate) async fn import(
        &self,
        repository: &str,
        tag: &str,
        labels: &HashMap<String, String>,
        tar: Vec<u8>,
    ) -> Result<(), EngineError> {
        let labels = labels.iter().map(|(name, value)| format!("LABEL {name}={value}")).collect();
        let options = query::CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(repository)
            .tag(tag)
            .changes(labels)
            .build();
        let body = bollard::body_full(Bytes::from(tar));
        let mut progress = self.docker.create_image(Some(options), Some(body), None);
        let all = async {
            while let Some(step) = progress.next().await {
                step?;
            }
            Ok(())
        };
        call("import the agent's image", self.patience.call, all).await
    }

    /// All images that carry the label.
    pub(crate) async fn list_images(&self, label: &str) -> Result<Vec<Listed>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = query::ListImagesOptionsBuilder::default().filters(&filters).build();
        let found = call("list images", self.patience.call, self.docker.list_images(Some(options))).await?;
        let listed = found.into_iter().map(|image| Listed {
            id: image.id,
            name: image.repo_tags.into_iter().next().unwrap_or_default(),
            labels: image.labels,
            created: image.created,
            never_started: false,
            has_ended: false,
        });
        Ok(listed.collect())
    }

    pub(crate) async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let options = query::RemoveImageOptionsBuilder::default().force(true).build();
        call("remove an image", self.patience.call, self.docker.remove_image(reference, Some(options), None)).await.map(drop)
    }

    /// Whether the volume exists.
    pub(crate) async fn has_volume(&self, name: &str) -> Result<bool, EngineError> {
        match call("inspect a volume", self.patience.call, self.docker.inspect_volume(name)).await {
            Ok(_) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn create_volume(&self, name: &str, labels: HashMap<String, String>) -> Result<(), EngineError> {
        let request =
            VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..VolumeCreateRequest::default() };
        call("create a volume", self.patience.call, self.docker.create_volume(request)).await.map(drop)
    }

    /// Removes a volume; one that is gone already is success. `false`: a container has it.
    pub(crate) async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        let none = None::<query::RemoveVolumeOptions>;
        match call("remove a volume", self.patience.call, self.docker.remove_volume(name, none)).await {
            Ok(()) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(true),
            Err(error) if error.status == Some(409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether any container has the volume.
    pub(crate) async fn is_volume_used(&self, name: &str) -> Result<bool, EngineError> {
        let filters = HashMap::from([("volume".to_owned(), vec![name.to_owned()])]);
        let options = query::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let users = call("list containers", self.patience.call, self.docker.list_containers(Some(options))).await?;
        Ok(!users.is_empty())
    }
}
