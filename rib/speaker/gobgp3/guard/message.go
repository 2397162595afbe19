package guard

import (
	"encoding/binary"
	"fmt"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// headerSize is that of a message's header, and mostMessage of the longest message
// (RFC 4271, 4.1). Longer ones (RFC 8654) GoBGP v3 does not offer.
const (
	headerSize  = bgp.BGP_HEADER_LENGTH
	mostMessage = bgp.BGP_MAX_MESSAGE_LENGTH
)

// checkHeader judges a message by its header, before the rest of it is there.
func checkHeader(size int, kind byte) error {
	least, most := headerSize, mostMessage
	switch kind {
	case bgp.BGP_MSG_OPEN:
		least = 29
	case bgp.BGP_MSG_UPDATE:
		least = 23
	case bgp.BGP_MSG_NOTIFICATION:
		least = 21
	case bgp.BGP_MSG_KEEPALIVE:
		most = headerSize
	case bgp.BGP_MSG_ROUTE_REFRESH:
		least = 23
	default:
		return notification(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_BAD_MESSAGE_TYPE, []byte{kind}, "a message of type %d, which there is not", kind)
	}
	if size < least || size > most {
		return notification(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_BAD_MESSAGE_LENGTH, binary.BigEndian.AppendUint16(nil, uint16(size)),
			"a message of type %d that is %d bytes long", kind, size)
	}
	return nil
}

// refusal is the NOTIFICATION that ends a session, and why.
type refusal struct {
	code, sub uint8
	data      []byte
	why       string
}

// Error is why.
func (r *refusal) Error() string { return r.why }

func notification(code, sub uint8, data []byte, format string, args ...any) error {
	return &refusal{code, sub, data, fmt.Sprintf(format, args...)}
}

// unexpected is the error of the state machine (RFC 6608).
func unexpected(sub uint8, want string, kind byte) error {
	return notification(bgp.BGP_ERROR_FSM_ERROR, sub, nil, "a message of type %d where a %s is due", kind, want)
}

// poison is a header that says that its message is shorter than a header.
var poison = func() []byte {
	m := keepalive()
	m[17] = 0
	return m
}()

func keepalive() []byte {
	m := make([]byte, headerSize)
	for i := range 16 {
		m[i] = 0xff
	}
	m[17], m[18] = headerSize, bgp.BGP_MSG_KEEPALIVE
	return m
}

// nothing is passed for a message of which nothing is left: a KEEPALIVE, because the
// neighbour lives.
var nothing = keepalive()
