//! A socket as a file. It appears with its mode set, replaces one that nobody listens to any more, and goes when we go.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

/// The owner and its group may connect.
const MODE: u32 = 0o660;
/// How long another server may take to answer whether it is there.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The file of a socket that is listened to; removed when this is dropped, unless it is another one by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    made: (u64, u64),
}

impl SocketFile {
    /// Listens at a path.
    pub(super) async fn listen(path: &Path) -> Result<(UnixListener, Self)> {
        free(path).await?;
        // Made aside and renamed, so that nobody finds it before its mode is set.
        let mut aside = path.as_os_str().to_owned();
        aside.push(".new");
        let aside = PathBuf::from(aside);
        remove_stale(&aside)?;
        let listener = UnixListener::bind(&aside)?;
        let placed: Result<_> = (|| {
            fs::set_permissions(&aside, fs::Permissions::from_mode(MODE))?;
            let data = fs::symlink_metadata(&aside)?;
            fs::rename(&aside, path)?;
            Ok((data.dev(), data.ino()))
        })();
        if placed.is_err() {
            let _ = fs::remove_file(&aside);
        }
        Ok((listener, Self { path: path.to_owned(), made: placed? }))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another server may have taken the place.
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|data| (data.dev(), data.ino()) == self.made);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Fails unless the path is free, or the socket of a server that is gone.
async fn free(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(data) if !data.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is a file that is not a socket"));
        }
        Ok(_) => {}
    }
    match tokio::time::timeout(ANSWER_MAX, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        // One that is too busy to answer is there all the same.
        _ => Err(Error::new(ErrorKind::AddrInUse, "another process listens there")),
    }
}

/// Removes what a server left that ended while it was starting.
fn remove_stale(aside: &Path) -> Result<()> {
    match fs::symlink_metadata(aside) {
        Ok(data) if data.file_type().is_socket() => fs::remove_file(aside),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_the_group_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grpc.sock");
        let (listener, file) = SocketFile::listen(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        let (connected, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
        drop((listener, file));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn only_what_nobody_listens_to_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grpc.sock");
        let (listener, file) = SocketFile::listen(&path).await.unwrap();
        let taken = SocketFile::listen(&path).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse, "{taken}");
        // As after kill -9: the file stays, and nobody listens.
        drop(listener);
        let (_listener, second) = SocketFile::listen(&path).await.unwrap();
        drop(file);
        assert!(path.exists(), "the file of another server is not removed");
        drop(second);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert!(SocketFile::listen(&path).await.unwrap_err().to_string().contains("not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
