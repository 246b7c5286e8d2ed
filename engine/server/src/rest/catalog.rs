//! `/api/v1/deliveries`, which nobody serves yet.

use super::problem::Problem;
use crate::fault::Fault;
use crate::service::Ask;

/// The answer to all of it, for those who may ask.
pub(super) async fn no_catalog(_: Ask) -> Problem {
    Fault::no_catalog().into()
}

/// Describes an operation that is answered by [`no_catalog`].
macro_rules! waiting {
    ($($about:literal $method:ident $path:literal $name:ident $tag:literal;)*) => {
        $(
            #[doc = $about]
            #[utoipa::path(
                $method, path = $path, tag = $tag,
                responses((status = 501, description = "This server has no catalog.", body = super::problem::Document, content_type = "application/problem+json")),
            )]
            #[allow(dead_code)]
            pub(super) fn $name() {}
        )*
    };
}

/// The same with a number in the path.
macro_rules! waiting_by_id {
    ($($about:literal $method:ident $path:literal $name:ident $tag:literal;)*) => {
        $(
            #[doc = $about]
            #[utoipa::path(
                $method, path = $path, tag = $tag,
                params(("id" = u64, Path, description = "Its number.")),
                responses((status = 501, description = "This server has no catalog.", body = super::problem::Document, content_type = "application/problem+json")),
            )]
            #[allow(dead_code)]
            pub(super) fn $name() {}
        )*
    };
}

waiting! {
    "Deliveries, page by page." get "/api/v1/deliveries" list_deliveries "deliveries";
    "Makes a draft." post "/api/v1/deliveries" create_delivery "deliveries";
    "What is shown now." get "/api/v1/deliveries/active" active_deliveries "deliveries";
}

waiting_by_id! {
    "A delivery." get "/api/v1/deliveries/{id}" get_delivery "deliveries";
    "Changes a delivery." put "/api/v1/deliveries/{id}" update_delivery "deliveries";
    "Asks for approval." post "/api/v1/deliveries/{id}/submit" submit_delivery "deliveries";
    "Approves what another person asked for." post "/api/v1/deliveries/{id}/approve" approve_delivery "deliveries";
    "Refuses what another person asked for." post "/api/v1/deliveries/{id}/reject" reject_delivery "deliveries";
    "Ends a delivery before its time." post "/api/v1/deliveries/{id}/cancel" cancel_delivery "deliveries";
}
