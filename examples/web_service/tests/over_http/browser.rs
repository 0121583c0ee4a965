//! The page of the API in a browser.

use rylie_testkit::World;
use tempfile::TempDir;

use crate::client::call;
use crate::process::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_every_operation_of_the_api() {
    let (world, folder) = (World::sqlite().await.unwrap(), TempDir::new().unwrap());
    let service = Service::start(&world, folder.path()).await;
    let document = call("GET", "/openapi.json").send(service.address).await.unwrap().json;

    let mut browser = tokio::process::Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]);
    browser.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    browser.arg(format!("http://{}/docs", service.address));
    let seen = browser
        .output()
        .await
        .expect("this test needs the program `chromium`; without it run `cargo test -- --skip a_browser_shows`");

    let page = String::from_utf8(seen.stdout).unwrap();
    let operations = document["paths"].as_object().unwrap().values().flat_map(|of| of.as_object().unwrap().values());
    let summaries: Vec<_> = operations.map(|operation| operation["summary"].as_str().unwrap()).collect();
    assert!(summaries.len() >= 15, "{summaries:?}");
    for summary in summaries {
        assert!(page.contains(summary), "{summary}: {page}");
    }
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "the page needs nothing from elsewhere");
}
