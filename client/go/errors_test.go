package ferrymq

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestAnErrorHasWhatTheBrokerSaid(t *testing.T) {
	given, err := status.New(codes.InvalidArgument, "no").WithDetails(
		&errdetails.ErrorInfo{Domain: "ferrymq", Reason: "NAME_INVALID", Metadata: map[string]string{"topic": "a b"}},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "topic.name", Description: "has a space"}}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)},
	)
	if err != nil {
		t.Fatal(err)
	}
	made := toError(given.Err())
	var came *Error
	if !errors.As(made, &came) {
		t.Fatal("no *Error")
	}
	came.cause = nil
	expected := &Error{
		Code: codes.InvalidArgument, Reason: "NAME_INVALID", Message: "no", Metadata: map[string]string{"topic": "a b"},
		Violations: []Violation{{"topic.name", "has a space"}}, RetryAfter: time.Second,
	}
	if !reflect.DeepEqual(came, expected) {
		t.Errorf("%+v", came)
	}
	if status.Code(made) != codes.InvalidArgument {
		t.Error("gRPC does not know it")
	}
}

func TestKindsCanBeToldApart(t *testing.T) {
	tests := map[error]error{
		status.Error(codes.NotFound, ""):           ErrNotFound,
		status.Error(codes.AlreadyExists, ""):      ErrAlreadyExists,
		status.Error(codes.OutOfRange, ""):         ErrInvalidArgument,
		status.Error(codes.FailedPrecondition, ""): ErrFailedPrecondition,
		status.Error(codes.ResourceExhausted, ""):  ErrExhausted,
		status.Error(codes.Unavailable, ""):        ErrUnavailable,
		context.DeadlineExceeded:                   ErrTimeout,
		context.Canceled:                           context.Canceled,
	}
	for given, kind := range tests {
		if made := toError(given); !errors.Is(made, kind) || errors.Is(made, errAnother) {
			t.Errorf("%v is not %v", made, kind)
		}
	}
	if !errors.Is(toError(status.Error(codes.DeadlineExceeded, "")), context.DeadlineExceeded) {
		t.Error("a deadline of gRPC's is not context's")
	}
}

var errAnother = errors.New("another")

func TestWaitsDoubleUpToTheLongest(t *testing.T) {
	b := backoff{min: 100 * time.Millisecond, max: time.Second}
	for _, nominal := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		nominal *= time.Millisecond
		if wait := b.next(nil); wait < nominal*8/10 || wait > nominal*12/10 {
			t.Errorf("%s, not about %s", wait, nominal)
		}
	}
	b.reset()
	if wait := b.next(&Error{RetryAfter: 500 * time.Millisecond}); wait != 500*time.Millisecond {
		t.Errorf("%s, though the broker asked for more", wait)
	}
}

func TestURLs(t *testing.T) {
	for given, expected := range map[string]string{
		"http://127.0.0.1:7171": "dns:///127.0.0.1:7171", "http://broker": "dns:///broker:80", "https://[::1]": "dns:///[::1]:443",
	} {
		if target, _, err := targetOf(given); err != nil || target != expected {
			t.Errorf("%s is %s, %v", given, target, err)
		}
	}
	for _, bad := range []string{"127.0.0.1:7171", "ftp://broker", "http://"} {
		if _, _, err := targetOf(bad); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s failed with %v", bad, err)
		}
	}
}
