//! A bucket and what can be done with objects in it: read, checked; written; listed; deleted.

use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{Error as ObjectError, GetOptions, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::{Builder, Runtime};

use super::READS;
use super::address::{BucketOptions, open};
use super::error::{BucketError, Result};
use super::layout::{
    CURRENT, CURRENT_BYTES_MAX, INDEX_BYTES_MAX, Index, Part, Pointer, Sha, Unreadable, part_name,
};
use crate::stop::Stop;

/// A place in object storage where generations are.
#[derive(Debug)]
pub struct Bucket {
    objects: Box<dyn ObjectStore>,
    prefix: Path,
    url: String,
    runtime: Runtime,
}

/// An object in a listing.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// Its name under the prefix.
    pub(super) name: String,
    pub(super) bytes: u64,
    /// When it was written, by the bucket's clock, in Unix seconds.
    pub(super) written: i64,
}

impl Listed {
    /// The last part of its name.
    pub(super) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }
}

/// What `CURRENT` says, and the tag by which a change of it is known.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) pointer: Pointer,
    pub(super) tag: Option<String>,
}

impl Bucket {
    /// A client for `s3://BUCKET/PREFIX` or `file:///FOLDER`. Nothing is asked yet.
    pub fn open(url: &str, options: &BucketOptions) -> Result<Self> {
        let (objects, prefix) = open(url, options)?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime
            .map_err(|error| BucketError::Address(format!("cannot start threads for transfers: {error}")))?;
        Ok(Self { objects, prefix, url: url.trim_end_matches('/').to_owned(), runtime })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs transfers to their end, or until it is requested to stop.
    pub(super) fn run<T>(&self, stop: &Stop, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.heard() => Err(BucketError::Stopped),
                done = work => done,
            }
        })
    }

    /// An object's address, for messages.
    pub(super) fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// What `CURRENT` says, if anything, unless it still has this tag.
    pub(super) async fn current(&self, unless: Option<&str>) -> Result<Option<Current>> {
        let options = GetOptions { if_none_match: unless.map(str::to_owned), ..GetOptions::default() };
        let read = self.read(CURRENT, options, CURRENT_BYTES_MAX, Pointer::from_bytes).await;
        match read {
            Ok(Some((pointer, tag))) => Ok(Some(Current { pointer, tag })),
            Ok(None) => Ok(None),
            Err(BucketError::Missing { .. }) => Err(BucketError::Empty { url: self.url.clone() }),
            Err(error) => Err(error),
        }
    }

    /// An index that must have this hash, and its bytes.
    pub(super) async fn index(&self, name: &str, sha: Option<&Sha>) -> Result<(Index, Vec<u8>)> {
        let check = |bytes: &[u8]| {
            if sha.is_some_and(|sha| Sha::of(bytes) != *sha) {
                return Err(Unreadable::Damaged("its SHA-256 is not the one it should have".to_owned()));
            }
            Ok((Index::from_bytes(bytes)?, bytes.to_vec()))
        };
        let read = self.read(name, GetOptions::default(), INDEX_BYTES_MAX, check).await?;
        read.map(|(index, _)| index).ok_or_else(|| BucketError::Missing { object: self.address(name) })
    }

    /// A part's bytes.
    pub(super) async fn part(&self, Part(sha, bytes): &Part) -> Result<Vec<u8>> {
        let check = |read: &[u8]| {
            if read.len() as u64 != *bytes {
                let found = read.len();
                return Err(Unreadable::Damaged(format!("it has {found} bytes instead of {bytes}")));
            }
            if Sha::of(read) != *sha {
                return Err(Unreadable::Damaged("its SHA-256 is not its name".to_owned()));
            }
            Ok(read.to_vec())
        };
        let name = part_name(sha);
        let read = self.read(&name, GetOptions::default(), *bytes, check).await?;
        read.map(|(bytes, _)| bytes).ok_or_else(|| BucketError::Missing { object: self.address(&name) })
    }

    /// Reads an object of at most so many bytes.
    pub(super) async fn read_checked<T>(
        &self,
        name: &str,
        bytes_max: u64,
        check: impl Fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<T> {
        let read = self.read(name, GetOptions::default(), bytes_max, check).await?;
        read.map(|(read, _)| read).ok_or_else(|| BucketError::Missing { object: self.address(name) })
    }

    /// The same, and its tag; `None` if it still has this one.
    pub(super) async fn read_unless<T>(
        &self,
        name: &str,
        tag: Option<&str>,
        bytes_max: u64,
        check: impl Fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<Option<(T, Option<String>)>> {
        let options = GetOptions { if_none_match: tag.map(str::to_owned), ..GetOptions::default() };
        self.read(name, options, bytes_max, check).await
    }

    /// Reads an object of at most so many bytes, several times if what comes is not what it should be. `None` if
    /// it has not changed.
    async fn read<T>(
        &self,
        name: &str,
        options: GetOptions,
        bytes_max: u64,
        check: impl Fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<Option<(T, Option<String>)>> {
        let mut last = None;
        for _ in 0..READS {
            let got = match self.objects.get_opts(&self.path(name), options.clone()).await {
                Ok(got) => got,
                Err(ObjectError::NotModified { .. }) => return Ok(None),
                Err(error) => return Err(BucketError::of("read", self.address(name), &error)),
            };
            // Before the body is taken in: what is stored there may be anything.
            if got.meta.size > bytes_max {
                let what = format!("it has {} bytes, more than {bytes_max}", got.meta.size);
                return Err(BucketError::Damaged { object: self.address(name), what });
            }
            let tag = got.meta.e_tag.clone();
            let bytes = match got.bytes().await {
                Ok(bytes) => bytes,
                Err(error) => {
                    last = Some(BucketError::of("read", self.address(name), &error));
                    continue;
                }
            };
            match check(&bytes) {
                Ok(read) => return Ok(Some((read, tag))),
                Err(unreadable) => last = Some(self.unreadable(name, unreadable)),
            }
        }
        Err(last.unwrap_or_else(|| BucketError::Missing { object: self.address(name) }))
    }

    fn unreadable(&self, name: &str, unreadable: Unreadable) -> BucketError {
        let object = self.address(name);
        match unreadable {
            Unreadable::TooNew(found) => BucketError::TooNew { object, found, ours: super::layout::FORMAT },
            Unreadable::Damaged(what) => BucketError::Damaged { object, what },
        }
    }

    /// Writes an object, in one request: it is there as a whole or not at all.
    pub(super) async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self.objects.put(&self.path(name), PutPayload::from(bytes)).await;
        put.map(drop).map_err(|error| BucketError::of("write", self.address(name), &error))
    }

    /// When an object was written, by the bucket's clock; `None` if it is gone.
    pub(super) async fn written(&self, name: &str) -> Result<Option<Timestamp>> {
        match self.objects.head(&self.path(name)).await {
            Ok(meta) => Ok(Timestamp::from_second(meta.last_modified.timestamp()).ok()),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(BucketError::of("look at", self.address(name), &error)),
        }
    }

    /// Everything in a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let failed = |error| BucketError::of("list", self.address(folder), &error);
        let prefix = self.path(folder);
        let listed = self.objects.list(Some(&prefix)).map_ok(|meta| Listed {
            name: format!("{folder}/{}", meta.location.filename().unwrap_or_default()),
            bytes: meta.size,
            written: meta.last_modified.timestamp(),
        });
        listed.try_collect().await.map_err(failed)
    }

    /// Deletes objects; those that are gone already don't matter.
    pub(super) async fn delete(&self, names: Vec<String>) -> Result<()> {
        let Some(first) = names.first().cloned() else { return Ok(()) };
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name))).collect();
        let mut deleted = self.objects.delete_stream(futures_util::stream::iter(paths).boxed());
        while let Some(one) = deleted.next().await {
            match one {
                Ok(_) | Err(ObjectError::NotFound { .. }) => {}
                Err(error) => return Err(BucketError::of("delete", self.address(&first), &error)),
            }
        }
        Ok(())
    }
}
