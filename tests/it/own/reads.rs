//! Reads whose results must be the same on both engines.

use rylie_db::own::*;

use super::world;
use crate::own::bookmarks::{self, bookmark};
use crate::own::downstream::tables;

#[tokio::test]
async fn null_sorts_as_the_greatest_value_on_every_page() {
    let world = world(bookmarks::schema()).await;
    let agency = world.agency().await.unwrap();
    for (url, rating) in [("a", Some(2)), ("b", None), ("c", Some(1)), ("d", None)] {
        agency
            .add(bookmark::ActiveModel { url: Set(url.into()), rating: Set(rating), ..Default::default() })
            .await
            .unwrap();
    }
    let unit = agency.unit().await.unwrap();
    let sorted = async |order: Order| {
        let mut urls = Vec::new();
        for offset in [0, 2] {
            let of = tables(&*unit)
                .of::<bookmark::Entity>()
                .oldest_first()
                .order_by(bookmark::Column::Rating, order.clone());
            let page = of.list(PageRequest::new(2, offset)).await.unwrap();
            assert_eq!(page.total, 4);
            urls.extend(page.items.into_iter().map(|row| row.url));
        }
        urls.concat()
    };
    assert_eq!(sorted(Order::Asc).await, "cabd");
    assert_eq!(sorted(Order::Desc).await, "bdac");
}
