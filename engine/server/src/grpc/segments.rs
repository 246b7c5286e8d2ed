//! `muster.v1.Segments`: each call is read, asked of the service layer, and written.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use muster_proto::v1;
use muster_proto::v1::segments_server::Segments;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::convert::{
    change, features, instant, overlay, preview_node, profiled, said, scale, segment, share, span, verdict,
};
use super::front::Front;
use super::status::status;
use crate::meters::Method;
use crate::service::{Count, MembersOf, ProfileOf};

/// The service.
pub(super) struct SegmentsService {
    pub(super) front: Arc<Front>,
}

type MembersStream = Pin<Box<dyn Stream<Item = Result<v1::MembersResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Segments for SegmentsService {
    type MembersStream = MembersStream;

    async fn count(&self, request: Request<v1::CountRequest>) -> Result<Response<v1::CountResponse>, Status> {
        self.front
            .answer(Method::Count, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let segment = segment(request.segment.as_ref(), || "segment".to_owned())?;
                let Count { count, targetable, cached, elapsed, origin } =
                    service.count(&ask, segment).await?;
                Ok(v1::CountResponse {
                    count,
                    universe: origin.universe,
                    generation: origin.generation,
                    as_of: instant(origin.as_of),
                    elapsed: span(elapsed),
                    now: instant(origin.now),
                    targetable,
                    cached,
                })
            })
            .await
    }

    async fn members(&self, request: Request<v1::MembersRequest>) -> Result<Response<MembersStream>, Status> {
        self.front
            .answer(Method::Members, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let page_token = (!request.page_token.is_empty()).then_some(request.page_token);
                let of = MembersOf { limit: request.limit, page_token };
                let segment = segment(request.segment.as_ref(), || "segment".to_owned())?;
                let batches = service.members(ask, segment, of).await?;
                let stream = ReceiverStream::new(batches).map(|batch| {
                    let batch = batch.map_err(status)?;
                    Ok(v1::MembersResponse {
                        user_ids: batch.user_ids,
                        next_page_token: batch.next_page_token.unwrap_or_default(),
                        generation: batch.origin.generation,
                        as_of: instant(batch.origin.as_of),
                    })
                });
                Ok(stream.boxed())
            })
            .await
    }

    async fn is_in_segment(
        &self,
        request: Request<v1::IsInSegmentRequest>,
    ) -> Result<Response<v1::IsInSegmentResponse>, Status> {
        self.front
            .answer(Method::IsInSegment, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let overlay = overlay(request.overlay)?;
                let segments = request.segments.iter().enumerate();
                let segments = segments.map(|(at, one)| segment(Some(one), || format!("segments[{at}]")));
                let inside = service.is_in_segments(&ask, request.user_id, segments, overlay).await?;
                Ok(v1::IsInSegmentResponse {
                    in_segment: inside.in_segment,
                    known_user: inside.known_user,
                    generation: inside.origin.generation,
                    as_of: instant(inside.origin.as_of),
                    opted_out: inside.opted_out,
                })
            })
            .await
    }

    async fn batch_is_in_segment(
        &self,
        request: Request<v1::BatchIsInSegmentRequest>,
    ) -> Result<Response<v1::BatchIsInSegmentResponse>, Status> {
        self.front
            .answer(Method::BatchIsInSegment, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let segment = segment(request.segment.as_ref(), || "segment".to_owned())?;
                let inside = service.are_in_segment(&ask, request.user_ids, segment).await?;
                Ok(v1::BatchIsInSegmentResponse {
                    in_segment: inside.in_segment,
                    known_user: inside.known_user,
                    generation: inside.origin.generation,
                    as_of: instant(inside.origin.as_of),
                })
            })
            .await
    }

    async fn preview(
        &self,
        request: Request<v1::PreviewRequest>,
    ) -> Result<Response<v1::PreviewResponse>, Status> {
        self.front
            .answer(Method::Preview, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let segment = segment(request.segment.as_ref(), || "segment".to_owned())?;
                let previewed = service.preview(&ask, segment).await?;
                let (preview, origin) = (previewed.preview, previewed.origin);
                Ok(v1::PreviewResponse {
                    count: preview.count,
                    universe: origin.universe,
                    share: share(preview.count, origin.universe),
                    root: Some(preview_node(preview.root, origin.universe)),
                    generation: origin.generation,
                    as_of: instant(origin.as_of),
                    elapsed: span(previewed.elapsed),
                    now: instant(origin.now),
                    targetable: previewed.targetable,
                })
            })
            .await
    }

    async fn profile(
        &self,
        request: Request<v1::ProfileRequest>,
    ) -> Result<Response<v1::ProfileResponse>, Status> {
        self.front
            .answer(Method::Profile, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let segment = segment(request.segment.as_ref(), || "segment".to_owned())?;
                let scale = scale(request.scale)?;
                let (top, bins) = (request.top as usize, request.bins as usize);
                let of = ProfileOf { columns: request.columns, top, bins, scale };
                let profile = service.profile(&ask, segment, of).await?;
                Ok(v1::ProfileResponse {
                    count: profile.count,
                    universe: profile.origin.universe,
                    columns: profile.columns.into_iter().map(profiled).collect(),
                    generation: profile.origin.generation,
                    as_of: instant(profile.origin.as_of),
                    elapsed: span(profile.elapsed),
                    now: instant(profile.origin.now),
                })
            })
            .await
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        self.front
            .answer(Method::Explain, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let segment = segment(request.segment.as_ref(), || "segment".to_owned())?;
                let overlay = overlay(request.overlay)?;
                let explained = service.explain(&ask, request.user_id, segment, overlay).await?;
                let mut answer = v1::ExplainResponse {
                    known_user: explained.why.is_some(),
                    opted_out: explained.opted_out,
                    generation: explained.origin.generation,
                    as_of: instant(explained.origin.as_of),
                    now: instant(explained.origin.now),
                    ..v1::ExplainResponse::default()
                };
                if let Some(why) = explained.why {
                    answer.in_segment = why.inside;
                    answer.change_is_smallest = why.smallest;
                    answer.root = Some(verdict(why.verdict));
                    answer.smallest_change = why.change.into_iter().map(change).collect();
                }
                Ok(answer)
            })
            .await
    }

    async fn overlap(
        &self,
        request: Request<v1::OverlapRequest>,
    ) -> Result<Response<v1::OverlapResponse>, Status> {
        self.front
            .answer(Method::Overlap, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let segments = request.segments.iter().enumerate();
                let segments = segments.map(|(at, one)| segment(Some(one), || format!("segments[{at}]")));
                let overlaps = service.overlap(&ask, segments).await?;
                Ok(v1::OverlapResponse {
                    rows: overlaps.overlap.both.into_iter().map(|both| v1::OverlapRow { both }).collect(),
                    universe: overlaps.origin.universe,
                    generation: overlaps.origin.generation,
                    as_of: instant(overlaps.origin.as_of),
                    elapsed: span(overlaps.elapsed),
                    now: instant(overlaps.origin.now),
                })
            })
            .await
    }

    async fn get_user(
        &self,
        request: Request<v1::GetUserRequest>,
    ) -> Result<Response<v1::GetUserResponse>, Status> {
        self.front
            .answer(Method::GetUser, request, |service, mut ask, request| async move {
                ask.generation = request.generation;
                let user = service.user(&ask, request.user_id, request.columns).await?;
                Ok(v1::GetUserResponse {
                    user_id: user.user_id,
                    features: features(user.features),
                    labels: user.labels,
                    opted_out: user.opted_out,
                    generation: user.origin.generation,
                    as_of: instant(user.origin.as_of),
                })
            })
            .await
    }
}
