/** Publishes to and consumes from a FerryMQ broker: see {@link io.ferrymq.client.Client}. */
package io.ferrymq.client;
