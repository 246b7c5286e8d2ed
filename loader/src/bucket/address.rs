//! From an address and the environment to a client. Secrets come from the environment only.

use std::path::Path as FilePath;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::error::{BucketError, Result};

/// Where the bucket is, apart from its address and the environment.
#[derive(Debug, Clone, Default)]
pub struct BucketOptions {
    /// The service's address, instead of `AWS_ENDPOINT`.
    pub endpoint: Option<String>,
    /// Whether a service may be asked without encryption, instead of `AWS_ALLOW_HTTP`.
    pub allow_http: bool,
    /// Whether a folder is made if it is not there.
    pub create: bool,
}

/// One request with its body; a part has to get through in this time.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// The client, and the prefix below which everything is.
pub(super) fn open(url: &str, options: &BucketOptions) -> Result<(Box<dyn ObjectStore>, Path)> {
    if let Some(path) = url.strip_prefix("file://") {
        return Ok((Box::new(folder(url, path, options.create)?), Path::default()));
    }
    let Some(rest) = url.strip_prefix("s3://") else {
        return Err(BucketError::Address(format!(
            "{url:?} is not an address of a bucket; give s3://BUCKET/PREFIX or file:///FOLDER"
        )));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = Path::parse(prefix.trim_end_matches('/'))
        .map_err(|error| BucketError::Address(format!("the prefix of {url:?} is not possible: {error}")))?;
    if bucket.is_empty() {
        return Err(BucketError::Address(format!("{url:?} names no bucket; give s3://BUCKET/PREFIX")));
    }
    Ok((Box::new(s3(url, bucket, options)?), prefix))
}

fn folder(url: &str, path: &str, create: bool) -> Result<LocalFileSystem> {
    let path = FilePath::new(path);
    if !path.is_absolute() {
        return Err(BucketError::Address(format!(
            "{url:?} has no absolute path; give file:///FOLDER, with three strokes"
        )));
    }
    if create {
        std::fs::create_dir_all(path).map_err(BucketError::io("create", path))?;
    } else if !path.is_dir() {
        return Err(BucketError::Empty { url: url.to_owned() });
    }
    let folder = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| BucketError::of("open", url.to_owned(), &error))?;
    Ok(folder.with_fsync(true))
}

fn s3(url: &str, bucket: &str, options: &BucketOptions) -> Result<impl ObjectStore + use<>> {
    // The first one to ask for TLS decides for the process; a second call is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let said = |builder: &AmazonS3Builder, key| builder.get_config_value(&key);
    let http = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
    let allowed = options.allow_http || said(&builder, http).is_some_and(|said| said == "true");
    match said(&builder, AmazonS3ConfigKey::Endpoint) {
        Some(endpoint) if endpoint.starts_with("http://") && !allowed => {
            return Err(BucketError::Address(format!(
                "the endpoint {endpoint} is not encrypted; give --allow-http or AWS_ALLOW_HTTP=true if that is meant"
            )));
        }
        Some(endpoint) if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") => {
            return Err(BucketError::Address(format!(
                "the endpoint {endpoint:?} is not an address; it starts with https:// or http://"
            )));
        }
        _ => {}
    }
    if std::env::var_os("AWS_TIMEOUT").is_none() {
        let timeout = format!("{} seconds", REQUEST_TIMEOUT.as_secs());
        builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), timeout);
    }
    if allowed {
        builder = builder.with_allow_http(true);
    }
    builder
        .with_retry(retries())
        .build()
        .map_err(|error| BucketError::Address(format!("cannot open {url}: {}", super::error::short(&error))))
}

/// Some seconds of patience: a wrong address is told soon, and who follows asks again anyway.
fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(5),
        ..BackoffConfig::default()
    };
    RetryConfig { backoff, max_retries: 5, retry_timeout: Duration::from_mins(1) }
}
