//! Streams a whole list.

use std::pin::Pin;

use futures_util::TryStreamExt;
use futures_util::stream::{self, Stream};

use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::keyset::{KeysetPage, KeysetRequest};
use crate::page::PageRequest;

/// A stream of rows, in the order of their list.
pub type RowStream<'a, T> = Pin<Box<dyn Stream<Item = Result<T>> + Send + 'a>>;

/// The state of the walk.
enum At {
    Beginning,
    After(Cursor),
    End,
}

/// Streams all rows of a list; `page` reads the list's next page.
///
/// It holds one page of [`PageRequest::MAX_LIMIT`] rows in memory, regardless of the list's length, and reads the next
/// one on demand. It ends after an error.
///
/// It returns the rows of a keyset walk ([`KeysetPage`]). In a read-only unit all pages show the same snapshot of the
/// database.
///
/// ```no_run
/// # async fn list(page: rylie_tenancy::KeysetRequest) -> rylie_tenancy::Result<rylie_tenancy::KeysetPage<String>> { todo!() }
/// # async fn example() -> rylie_tenancy::Result<()> {
/// use futures_util::TryStreamExt;
///
/// let mut titles = rylie_tenancy::stream_of(|page| list(page));
/// while let Some(title) = titles.try_next().await? {
///     println!("{title}");
/// }
/// # Ok(())
/// # }
/// ```
pub fn stream_of<'a, T, W>(page: impl Fn(KeysetRequest) -> W + Send + 'a) -> RowStream<'a, T>
where
    T: Send + 'a,
    W: Future<Output = Result<KeysetPage<T>>> + Send + 'a,
{
    let pages = stream::try_unfold((At::Beginning, page), |(at, page)| async move {
        let request = match at {
            At::Beginning => KeysetRequest::first(PageRequest::MAX_LIMIT),
            At::After(cursor) => KeysetRequest::after(PageRequest::MAX_LIMIT, cursor),
            At::End => return Ok::<_, Error>(None),
        };
        let KeysetPage { items, next } = page(request).await?;
        Ok(Some((stream::iter(items.into_iter().map(Ok)), (next.map_or(At::End, At::After), page))))
    });
    Box::pin(pages.try_flatten())
}
