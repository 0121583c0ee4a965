//! Programs that must not compile. No public path reaches a tenant's rows without a scope.

#[test]
fn there_is_no_way_around_the_units() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
