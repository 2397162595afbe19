package gobgp3

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

// noticeCodes are the codes of NOTIFICATIONs (RFC 4271, 4.5, and RFC 7313, 5).
var noticeCodes = map[uint8]string{
	bgp.BGP_ERROR_MESSAGE_HEADER_ERROR:        "message header error",
	bgp.BGP_ERROR_OPEN_MESSAGE_ERROR:          "OPEN message error",
	bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR:        "UPDATE message error",
	bgp.BGP_ERROR_HOLD_TIMER_EXPIRED:          "hold timer expired",
	bgp.BGP_ERROR_FSM_ERROR:                   "finite state machine error",
	bgp.BGP_ERROR_CEASE:                       "cease",
	bgp.BGP_ERROR_ROUTE_REFRESH_MESSAGE_ERROR: "ROUTE-REFRESH message error",
}

// noticeSubcodes are the subcodes of each code (RFC 4271, 4486, 5492, 6608, 7313, 8538, 9234
// and 9384).
var noticeSubcodes = map[uint8][]string{
	bgp.BGP_ERROR_MESSAGE_HEADER_ERROR: {"", "connection not synchronized", "bad message length", "bad message type"},
	bgp.BGP_ERROR_OPEN_MESSAGE_ERROR: {
		"", "unsupported version number", "bad peer AS", "bad BGP identifier", "unsupported optional parameter",
		"authentication failure", "unacceptable hold time", "unsupported capability", "", "", "", "role mismatch",
	},
	bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR: {
		"", "malformed attribute list", "unrecognized well-known attribute", "missing well-known attribute", "attribute flags error",
		"attribute length error", "invalid ORIGIN", "AS routing loop", "invalid NEXT_HOP", "optional attribute error", "invalid network field", "malformed AS_PATH",
	},
	bgp.BGP_ERROR_FSM_ERROR: {"", "unexpected message in OpenSent", "unexpected message in OpenConfirm", "unexpected message in Established"},
	bgp.BGP_ERROR_CEASE: {
		"", "maximum number of prefixes reached", "administrative shutdown", "peer de-configured", "administrative reset",
		"connection rejected", "other configuration change", "connection collision resolution", "out of resources", "hard reset", "BFD down",
	},
	bgp.BGP_ERROR_ROUTE_REFRESH_MESSAGE_ERROR: {"", "invalid message length"},
}

// notification is a NOTIFICATION in words.
func notification(n guard.Notice) rib.Notification {
	if n.At.IsZero() {
		return rib.Notification{}
	}
	return rib.Notification{Code: n.Code, Subcode: n.Subcode, Text: noticeText(n), At: n.At}
}

// noticeText is both codes in words, with what the other side wrote: "cease, administrative
// shutdown: maintenance".
func noticeText(n guard.Notice) string {
	text, known := noticeCodes[n.Code]
	if !known {
		text = fmt.Sprintf("error %d", n.Code)
	}
	if n.Code == bgp.BGP_ERROR_CEASE && n.Subcode == bgp.BGP_ERROR_SUB_HARD_RESET && len(n.Data) >= 2 {
		// RFC 8538, 3.1: it encapsulates the NOTIFICATION that it stands for.
		return text + ", hard reset: " + noticeText(guard.Notice{Code: n.Data[0], Subcode: n.Data[1], Data: n.Data[2:]})
	}
	sub := ""
	if all := noticeSubcodes[n.Code]; int(n.Subcode) < len(all) {
		sub = all[n.Subcode]
	}
	switch {
	case sub != "":
		text += ", " + sub
	case n.Subcode != 0:
		text += fmt.Sprintf(", subcode %d", n.Subcode)
	}
	if said := shutdownText(n); said != "" {
		text += ": " + said
	}
	return text
}

// shutdownText is what an operator wrote at the other end (RFC 9003, 2); "": nothing.
func shutdownText(n guard.Notice) string {
	if n.Code != bgp.BGP_ERROR_CEASE || n.Subcode != bgp.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN && n.Subcode != bgp.BGP_ERROR_SUB_ADMINISTRATIVE_RESET {
		return ""
	}
	if len(n.Data) == 0 || int(n.Data[0]) > len(n.Data)-1 {
		return ""
	}
	said := n.Data[1 : 1+int(n.Data[0])]
	if !utf8.Valid(said) {
		return fmt.Sprintf("%q", said)
	}
	// Who prints it, prints a line: control characters of a neighbour's are not passed on.
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, string(said))
}

// heardReason says why the neighbour ended, or refused, a session by a NOTIFICATION.
func heardReason(n guard.Notice, ours uint32) string {
	text := "it ended the session: " + notification(n).String()
	switch [2]uint8{n.Code, n.Subcode} {
	case [2]uint8{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_BAD_PEER_AS}:
		return fmt.Sprintf("it does not take AS %d for ours; compare its peer-as for us with our AS, or local-as (%s)", ours, notification(n))
	case [2]uint8{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_BAD_BGP_IDENTIFIER}:
		return fmt.Sprintf("it does not take our router-id; is it another router's, its own perhaps? (%s)", notification(n))
	case [2]uint8{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_UNACCEPTABLE_HOLD_TIME}:
		return fmt.Sprintf("it does not take our hold time; change hold-time under timers (%s)", notification(n))
	case [2]uint8{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_UNSUPPORTED_CAPABILITY}:
		return fmt.Sprintf("it misses, or does not take, a capability%s; compare the address families and capabilities of both sides (%s)", capabilityText(n.Data), notification(n))
	case [2]uint8{bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_MAXIMUM_NUMBER_OF_PREFIXES_REACHED}:
		return fmt.Sprintf("we told it more prefixes than it takes; send fewer, or have its limit raised (%s)", notification(n))
	case [2]uint8{bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN}:
		return "its operator shut the session down: " + notification(n).String()
	case [2]uint8{bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_PEER_DECONFIGURED}:
		return "it has us as a neighbour no more: " + notification(n).String()
	case [2]uint8{bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_CONNECTION_REJECTED}:
		return fmt.Sprintf("it rejects the connection; has it us as a neighbour, by this address and AS %d? (%s)", ours, notification(n))
	}
	return text
}

// saidReason says why we ended, or refused, a session by a NOTIFICATION. named is the AS of the
// neighbour's OPEN, wanted that of peer-as.
func saidReason(n guard.Notice, named, wanted uint32) string {
	switch [2]uint8{n.Code, n.Subcode} {
	case [2]uint8{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_BAD_PEER_AS}:
		if named != 0 && named != wanted {
			return fmt.Sprintf("wrong AS: its AS is %d, and peer-as says %d; correct peer-as here, or the AS there", named, wanted)
		}
	case [2]uint8{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_BAD_BGP_IDENTIFIER}:
		return fmt.Sprintf("its router-id is ours, or none; give one of the two another (%s)", notification(n))
	case [2]uint8{bgp.BGP_ERROR_HOLD_TIMER_EXPIRED, 0}:
		return "nothing was heard of it for the hold time"
	}
	return "we ended the session: " + notification(n).String()
}

// capabilityText names the first capability in the data of a NOTIFICATION (RFC 5492, 5); "": it
// has none.
func capabilityText(data []byte) string {
	if len(data) < 2 {
		return ""
	}
	code := bgp.BGPCapabilityCode(data[0])
	if code == bgp.BGP_CAP_MULTIPROTOCOL && data[1] == 4 && len(data) >= 6 {
		family := bgp.AfiSafiToRouteFamily(uint16(data[2])<<8|uint16(data[3]), data[5])
		return fmt.Sprintf(" (%s of %s)", code, family)
	}
	return fmt.Sprintf(" (%s)", code)
}
