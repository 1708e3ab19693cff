package ferrymq

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// Point is a place in a topic. The zero Point is none.
type Point struct {
	point *ferrymqv1.LogPoint
}

// The ends of a topic.
var (
	// Earliest is the oldest message that is kept.
	Earliest = edge(ferrymqv1.LogEdge_LOG_EDGE_EARLIEST)
	// Latest is after the newest message there is now.
	Latest = edge(ferrymqv1.LogEdge_LOG_EDGE_LATEST)
)

func edge(edge ferrymqv1.LogEdge) Point {
	return Point{&ferrymqv1.LogPoint{At: &ferrymqv1.LogPoint_Edge{Edge: edge}}}
}

// At is exactly this position: as a start or an end it is delivered.
func At(position Position) Point {
	at := &ferrymqv1.Position{Log: position.Log, Offset: position.Offset}
	return Point{&ferrymqv1.LogPoint{At: &ferrymqv1.LogPoint_Position{Position: at}}}
}

// Since is the first message published at or after a time; as an end, the first that is not delivered any more.
func Since(at time.Time) Point {
	return Point{&ferrymqv1.LogPoint{At: &ferrymqv1.LogPoint_Time{Time: timestamppb.New(at)}}}
}
