//! Text cannot stand where a sealed column belongs.
use rylie_db::entities::SealedColumn;

fn store(token: String) -> SealedColumn {
    token.into()
}

fn main() {}
