# Network configuration of cloud-init, version 2, in block style YAML or JSON, as lines "OWNER KIND VALUE": the MAC
# address (else the name) of the interface; address, gateway or dns; the value.
BEGIN { split("network version renderer ethernets match macaddress name set-name addresses gateway4 gateway6 routes " \
              "to via metric on-link nameservers search dhcp4 dhcp6 mtu optional accept-ra dhcp-identifier", list)
        for (n in list) known[list[n]] = 1 }
{ sub(/^[ \t]*#.*/, ""); gsub(/":/, ": "); gsub(/[][{},"'-]+([ \t]|$)|[][{},"']/, " "); text = text " " $0 }
function flush(  n) {
    for (n = 1; n <= found; n++) print (mac == "" ? id : mac), kinds[n], values[n]
    found = 0; mac = ""
}
function add(kind, value) { kinds[++found] = kind; values[found] = value }
END {
    count = split(text, words, /[ \t]+/)
    for (n = 1; n <= count; n++) {
        word = words[n]
        if (word ~ /^[A-Za-z][A-Za-z0-9_.-]*:$/) {
            key = substr(word, 1, length(word) - 1)
            if (!(key in known)) { flush(); id = key }
            if (key == "nameservers") servers = 1
            else if (key == "addresses") { dns = servers; servers = 0 }
            else if (key == "to") target = ""
            continue
        }
        if (word == "") continue
        if (key == "macaddress") mac = tolower(word)
        else if (key == "addresses") add(dns ? "dns" : "address", word)
        else if (key ~ /^gateway[46]$/) add("gateway", word)
        else if (key == "to") target = word
        else if (key == "via") { if (target ~ /^(default|0\.0\.0\.0\/0|::\/0|)$/) add("gateway", word) }
    }
    flush()
}
