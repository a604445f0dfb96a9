//! How large a file is, before it is fetched.

use reqwest::StatusCode;

use super::client::Client;
use super::document::refuse_page;
use super::exchange::Request;
use super::failure::Failure;
use super::location::{Location, Place};
use super::tour::{Existence, Tour};
use crate::error::Result;

impl Client {
    /// The number of bytes of the file at `url`, as the server tells; fetched without credentials.
    ///
    /// # Errors
    /// As for [`Client::document`]; also if the server does not tell.
    pub async fn size(&self, url: &str) -> Result<u64> {
        let location = Location::url(url)?;
        let mut tour = Tour::new(self, location.name(), &location.places, Existence::Expected)?;
        loop {
            match self.size_once(tour.place()).await {
                Ok(size) => return Ok(size),
                Err(failure) => tour.failed(failure).await?,
            }
        }
    }

    async fn size_once(&self, place: &Place) -> Result<u64, Failure> {
        let mut answer = self.exchange(&Request::head(place)).await?;
        // Not every server knows HEAD; the head of an answer to GET says the same.
        let unknown = matches!(answer.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
        if unknown || (answer.status().is_success() && answer.content_length().is_none()) {
            answer = self.exchange(&Request::get(place)).await?;
        }
        let answer = answer.successful().await?;
        refuse_page(&answer, &place.url)?;
        answer.content_length().ok_or_else(|| Failure::senseless(&answer.url, "it does not tell its size"))
    }
}
