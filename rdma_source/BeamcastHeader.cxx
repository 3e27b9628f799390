/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a step's header becomes in VTK: field data. A number is an array of one value, a list of
 * numbers an array of them, anything else text.
 */
#include "BeamcastStep.h"

#include "vtkDoubleArray.h"
#include "vtkFieldData.h"
#include "vtkNew.h"
#include "vtkStringArray.h"
#include "vtkTypeUInt64Array.h"

#include <cstdlib>
#include <jansson.h>
#include <string>

namespace {

void AddText(vtkFieldData *fields, const char *name, const char *text) {
  vtkNew<vtkStringArray> array;
  array->SetName(name);
  array->InsertNextValue(text);
  fields->AddArray(array);
}

bool IsListOfNumbers(const json_t *value) {
  if (!json_is_array(value) || json_array_size(value) == 0) {
    return false;
  }
  for (size_t i = 0; i < json_array_size(value); i++) {
    if (!json_is_number(json_array_get(value, i))) {
      return false;
    }
  }
  return true;
}

void AddEntry(vtkFieldData *fields, const char *name, const json_t *value) {
  if (json_is_string(value)) {
    AddText(fields, name, json_string_value(value));
  } else if (json_is_number(value) || json_is_boolean(value)) {
    vtkNew<vtkDoubleArray> array;
    array->SetName(name);
    array->InsertNextValue(json_is_number(value) ? json_number_value(value) : json_is_true(value));
    fields->AddArray(array);
  } else if (IsListOfNumbers(value)) {
    vtkNew<vtkDoubleArray> array;
    array->SetName(name);
    for (size_t i = 0; i < json_array_size(value); i++) {
      array->InsertNextValue(json_number_value(json_array_get(value, i)));
    }
    fields->AddArray(array);
  } else if (char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)) {
    AddText(fields, name, text);
    std::free(text);
  }
}

} // namespace

void BeamcastStep::AddFieldData(vtkFieldData *fields) const {
  /* ParaView shows an array of this name as the time of the data. */
  vtkNew<vtkDoubleArray> time;
  time->SetName("TimeValue");
  time->InsertNextValue(this->Info.time);
  fields->AddArray(time);
  vtkNew<vtkTypeUInt64Array> number;
  number->SetName("step");
  number->InsertNextValue(this->Info.step);
  fields->AddArray(number);
  if (this->Info.length_unit[0] != '\0') {
    AddText(fields, "length_unit", this->Info.length_unit);
  }
  for (int i = 0; i < this->Info.arrays; i++) {
    const bc_array array = this->GetArray(i);
    if (array.unit[0] != '\0') {
      AddText(fields, (std::string(array.name) + "_unit").c_str(), array.unit);
    }
  }
  json_t *header = json_loads(this->Info.header, JSON_REJECT_DUPLICATES, nullptr);
  const char *key;
  json_t *value;
  json_object_foreach(header, key, value) {
    AddEntry(fields, key, value);
  }
  json_decref(header);
}
