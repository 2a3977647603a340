/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_VHOST_QUEUE_H
#define PRECARIUM_VHOST_QUEUE_H
