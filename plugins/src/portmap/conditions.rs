//! `conditionsV4` and `conditionsV6`: what must hold of a packet, in the words of nft(8) or of iptables(8).
//!
//! Of iptables' words those are known that say where a packet comes from and goes to. nft itself refuses what it does not
//! understand; what would end the rule and begin another is refused here.

use netd_model::name::LinkName;

use crate::cni::Error;

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// nft(8).
    Nft,
    /// iptables(8).
    Iptables,
}

/// The longest rule, in bytes.
const LONGEST: usize = 2000;

/// What a rule does besides asking: it has its verdict from us.
const VERDICTS: [&str; 15] = [
    "accept",
    "drop",
    "reject",
    "jump",
    "goto",
    "return",
    "continue",
    "queue",
    "dnat",
    "snat",
    "masquerade",
    "redirect",
    "notrack",
    "include",
    "set",
];

impl Syntax {
    /// By the first word, as the reference tells; none where there are no conditions.
    pub(super) fn of(tokens: Option<&[String]>) -> Option<Self> {
        let first = tokens?.first().filter(|first| !first.is_empty())?;
        Some(if first.starts_with(['-', '!']) { Self::Iptables } else { Self::Nft })
    }
}

/// The conditions under `key` as the start of a rule.
pub(super) fn rule(key: &str, tokens: Option<&[String]>) -> Result<Option<String>, Error> {
    let refused = |why: String| Error::config(format!("key {key:?}: {why}"));
    let Some(syntax) = Syntax::of(tokens) else { return Ok(None) };
    let tokens = tokens.unwrap_or_default();
    let rule = match syntax {
        Syntax::Nft => of_nft(tokens),
        Syntax::Iptables => of_iptables(key, tokens),
    };
    let rule = rule.map_err(refused)?;
    if rule.len() > LONGEST {
        return Err(refused(format!("has more than {LONGEST} characters")));
    }
    Ok(Some(rule))
}

fn of_nft(tokens: &[String]) -> Result<String, String> {
    let rule = tokens.join(" ");
    let is_known = |c: char| c.is_ascii_alphanumeric() || " _.:/-!=<>&|^,*+{}\"@%".contains(c);
    if let Some(unknown) = rule.chars().find(|c| !is_known(*c)) {
        return Err(format!("{unknown:?} is in no condition"));
    }
    if let Some(verdict) = rule.split([' ', '{', '}', ',']).find(|word| VERDICTS.contains(word)) {
        return Err(format!("{verdict:?} is no condition"));
    }
    let mut depth = 0_u32;
    for c in rule.chars() {
        depth = match c {
            '{' => depth + 1,
            '}' => depth.checked_sub(1).ok_or("a } without its {")?,
            _ => depth,
        };
    }
    if depth > 0 || !rule.matches('"').count().is_multiple_of(2) {
        return Err("a { or a quotation mark without its end".to_owned());
    }
    Ok(rule)
}

/// `-s`, `-d`, `-i` and `-p`, each with `!` before it or not.
fn of_iptables(key: &str, tokens: &[String]) -> Result<String, String> {
    let is_ipv4 = key == "conditionsV4";
    let family = if is_ipv4 { "ip" } else { "ip6" };
    let mut rule = Vec::new();
    let mut rest = tokens.iter().map(String::as_str);
    while let Some(first) = rest.next() {
        let (not, option) = if first == "!" { ("!= ", rest.next().unwrap_or_default()) } else { ("", first) };
        let shown: String = option.chars().take(64).collect();
        let mut value = || rest.next().ok_or_else(|| format!("{shown:?} has no value"));
        rule.push(match option {
            "-s" => format!("{family} saddr {not}{}", subnet(value()?, is_ipv4)?),
            "-d" => format!("{family} daddr {not}{}", subnet(value()?, is_ipv4)?),
            "-i" => format!("iifname {not}\"{}\"", link(value()?)?),
            "-p" => format!("meta l4proto {not}{}", protocol(value()?)?),
            _ => {
                return Err(format!(
                    "{shown:?} is none of -s, -d, -i, -p and !; others are to be said in the words of nft"
                ));
            }
        });
    }
    Ok(rule.join(" "))
}

fn subnet(text: &str, is_ipv4: bool) -> Result<String, String> {
    let subnet = text.parse::<netd_model::IpNetwork>().ok().filter(|subnet| subnet.is_ipv4() == is_ipv4);
    let shown: String = text.chars().take(64).collect();
    subnet.map(|subnet| format!("{}/{}", subnet.network(), subnet.prefix())).ok_or(format!("{shown:?} is no subnet"))
}

/// The name of an interface; with `+` at the end, all that begin so.
fn link(text: &str) -> Result<String, String> {
    let (name, all) = text.strip_suffix('+').map_or((text, ""), |name| (name, "*"));
    let name: LinkName = name.parse().map_err(|error: netd_model::name::InvalidName| error.to_string())?;
    if name.as_str().contains(['"', '\\', '*']) {
        return Err(format!("{:?} is no name that nft can read", name.as_str()));
    }
    Ok(format!("{name}{all}"))
}

fn protocol(text: &str) -> Result<&str, String> {
    let shown: String = text.chars().take(64).collect();
    let is_word = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { Ok(text) } else { Err(format!("{shown:?} is no protocol")) }
}
