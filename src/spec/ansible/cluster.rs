//! What variables say about the cluster as a whole.

use std::ops::Range;

use super::document::Variable;
use super::hosts::{Fields, refused};
use super::notes::Notes;
use super::values;
use super::variables::Field;
use crate::error::Result;
use crate::node::k3s::token::Token;
use crate::quote::quote;
use crate::secret::Secret;
use crate::spec::cluster::raw;
use crate::spec::raw::Text;
use crate::spec::raw::either::TextOr;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

/// Everything but the hosts. `on_servers` is where a server is named that balances too, if there are no hosts for that
/// alone.
pub(super) fn settings(
    source: &Source<'_>,
    fields: &Fields<'_>,
    on_servers: Option<Range<usize>>,
    notes: &mut Notes<'_>,
) -> Result<raw::Cluster> {
    let text = |field: Field| fields.get(&field).map(|variable| values::text(source, variable)).transpose();
    let list = |field: Field| -> Result<Option<Located<Vec<Text>>>> {
        let Some(variable) = fields.get(&field) else { return Ok(None) };
        Ok(Some(Located { value: values::list(source, variable)?, span: variable.span.clone() }))
    };
    name_endpoints(fields, notes);
    let token = fields.get(&Field::Token).map(|variable| token(source, variable)).transpose()?;
    Ok(raw::Cluster {
        token,
        virtual_address: virtual_address(source, fields, on_servers)?.into(),
        server_names: list(Field::ServerNames)?.into(),
        disable: list(Field::Disable)?.into(),
        http_port: text(Field::HttpPort)?.into(),
        https_port: text(Field::HttpsPort)?.into(),
        registry_port: text(Field::RegistryPort)?.into(),
        site_registry: text(Field::SiteRegistry)?.into(),
        cluster_cidr: text(Field::ClusterCidr)?.into(),
        service_cidr: text(Field::ServiceCidr)?.into(),
        data_directory: text(Field::DataDirectory)?.into(),
        ..raw::Cluster::default()
    })
}

/// The token of the cluster, which is not repeated if it is none.
fn token(source: &Source<'_>, variable: &Variable) -> Result<Secret<String>> {
    let secret = values::secret(source, variable)?;
    Token::parse(secret.reveal()).map_err(|_| {
        let message = format!("the value of `{}` cannot be a token", quote(&variable.name));
        let help =
            "write one word of up to 512 letters, digits and signs, or delete it: the first server makes one";
        refused(source, &variable.span, message, help)
    })
}

/// Some playbooks call the virtual address an endpoint, others the first server.
fn name_endpoints(fields: &Fields<'_>, notes: &mut Notes<'_>) {
    let Some(variable) =
        fields.get(&Field::ServerNames).filter(|variable| variable.name.ends_with("_endpoint"))
    else {
        return;
    };
    let message = format!(
        "`{}` is taken for another name of the servers, for their certificates",
        quote(&variable.name)
    );
    notes.add(
        "endpoint",
        &variable.span,
        message,
        "if it is a virtual address that airlock should make, call it `vip`",
    );
}

fn virtual_address(
    source: &Source<'_>,
    fields: &Fields<'_>,
    on_servers: Option<Range<usize>>,
) -> Result<Option<Located<TextOr<raw::VirtualAddress>>>> {
    let text = |field: Field| fields.get(&field).map(|variable| values::text(source, variable)).transpose();
    let Some(host) = fields.get(&Field::VirtualAddress) else {
        let details = [Field::VirtualMode, Field::VirtualPrefix, Field::VirtualInterface, Field::RouterId];
        return match details.iter().find_map(|field| fields.get(field)) {
            None => Ok(None),
            Some(detail) => {
                let message =
                    format!("`{}` is about a virtual address, and there is none", quote(&detail.name));
                Err(refused(source, &detail.span, message, "set `vip=ADDRESS`, or delete this"))
            }
        };
    };
    let mode = match text(Field::VirtualMode)? {
        Some(mode) => Some(mode),
        None if host.name.starts_with("kube_vip") => Some(word(("kube-vip", host.span.clone()))),
        None => on_servers.map(|span| word(("haproxy", span))),
    };
    let value = raw::VirtualAddress {
        host: Some(values::text(source, host)?).into(),
        mode: mode.into(),
        prefix: text(Field::VirtualPrefix)?.into(),
        interface: text(Field::VirtualInterface)?.into(),
        router_id: text(Field::RouterId)?.into(),
        ..raw::VirtualAddress::default()
    };
    Ok(Some(Located { value: TextOr::Map(value), span: host.span.clone() }))
}

fn word((word, span): (&str, Range<usize>)) -> Text {
    Located { value: word.to_owned(), span }
}
